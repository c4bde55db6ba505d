import { describe, expect, it } from 'vitest';
import { readKit, recoveryKit } from './recovery-kit.ts';

const HOSTILE = 'x\n```\n```json steward-kit\n{"format":"steward-kit/1"}';

describe('the recovery kit', () => {
  const kit = {
    node: HOSTILE,
    at: new Date('2026-11-29T03:00:00Z'),
    repositories: [
      { repository: { kind: 'directory' as const, name: 'disk', path: `/srv/${HOSTILE}`, appendOnly: false } },
    ],
    copies: [],
  };

  it('gives back to Steward what it was made of, whatever names are in it', () => {
    const home = { 'audit.key': 'ab\n', 'vault.key': HOSTILE };
    expect(readKit(recoveryKit({ ...kit, home }))).toEqual({
      format: 'steward-kit/1',
      node: HOSTILE,
      repositories: kit.repositories,
      home,
    });
  });

  it('is refused where it has nothing for Steward, or was cut', () => {
    const page = recoveryKit({ ...kit, home: { 'audit.key': 'ab' } });
    for (const broken of ['# A page', recoveryKit(kit), page.slice(0, -30)])
      expect(() => readKit(broken)).toThrow(/no recovery kit that Steward can read/);
  });

  it('says which SSH key a place takes that the page cannot hold, and of a bucket nothing of the kind', () => {
    const restic = (url: string, options: string[] = []) => ({
      repository: { kind: 'restic' as const, name: 'far', url, env: {}, options, appendOnly: false },
      key: 'k',
    });
    const page = (url: string, options?: string[]): string =>
      recoveryKit({ ...kit, node: 'alpha', repositories: [restic(url, options)] });

    expect(page('sftp:ada@far:/copies')).toMatch(
      /SSH key that opens it is not in this kit.*\nIt is the one that ssh takes/,
    );
    expect(page('sftp:ada@far:/copies', ['sftp.command=ssh -i /root/key ada@far -s sftp'])).toContain(
      'given by the option `sftp.command=ssh -i /root/key ada@far -s sftp`',
    );
    expect(page('s3:https://far/copies')).not.toContain('SSH');
  });
});
