import { describe, expect, it } from 'vitest';
import { masked, maskedIn } from './mask.ts';

describe('the passwords of SQL', () => {
  it.each([
    ["create user a@b identified by 'sec;ret'", "create user a@b identified by '***'"],
    [
      "alter user a identified via ed25519 using password('secret')",
      "alter user a identified via ed25519 using password('***')",
    ],
    [
      "create user a identified with caching_sha2_password by 'it\\'s'",
      "create user a identified with caching_sha2_password by '***'",
    ],
    ["set password for 'a'@'%' = password('secret')", "set password for 'a'@'%' = password('***')"],
    [
      "create role a login encrypted password 'it''s secret' valid until 'x'",
      "create role a login encrypted password '***' valid until 'x'",
    ],
    ["alter role a password $x$sec'ret$x$", "alter role a password '***'"],
    [
      "create user mapping for a server s options (user 'b', password 'secret')",
      "create user mapping for a server s options (user 'b', password '***')",
    ],
    [
      "create subscription s connection 'host=h password=secret dbname=d' publication p",
      "create subscription s connection 'host=h password=*** dbname=d' publication p",
    ],
  ])('are not shown: %s', (sql, shown) => {
    expect(masked(sql)).toBe(shown);
  });

  it('leave all else as it is', () => {
    const sql =
      "create table a (password text not null default '', hint text); select password, 'x' from a where b = 'y'";
    expect(masked(sql)).toBe(sql);
  });

  it('are looked for in a long text without end', () => {
    const sql = `insert into t values ('connection', 'password $$', 'password for '${", ('connection x', 'password for y')".repeat(20_000)})`;
    expect(masked(sql)).toBe(sql);
  });

  it('are not shown where an engine quotes a part of them', () => {
    const sql = "create user a identified by 'hunter22' oops";
    expect(maskedIn("You have an error near 'hunter22' oops' at line 1", sql)).toBe(
      "You have an error near *** oops' at line 1",
    );
    expect(maskedIn('near "unter hunter22"', sql)).toBe('near "unter ***"');
    expect(maskedIn('syntax error at a', "create role a password 'a'")).toBe('syntax error at a');
  });
});
