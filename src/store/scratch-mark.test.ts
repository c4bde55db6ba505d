import { describe, expect, it } from 'vitest';
import { StewardError } from '../core/errors.ts';
import { scratchAccountIn } from './scratch-mark.ts';

const STORE = 995;

function refusal(line: string): StewardError {
  try {
    scratchAccountIn(line, STORE);
  } catch (thrown) {
    return StewardError.from(thrown);
  }
  throw new Error(`taken: ${line}`);
}

describe('the user that copies are tried out as, by recorded lines of getent passwd', () => {
  it('is the one that Steward makes, also as it was made before it carried a comment', () => {
    const made = 'steward-scratch:x:994:995:Steward tries copies out:/nonexistent:/usr/sbin/nologin\n';
    expect(scratchAccountIn(made, STORE)).toEqual({ name: 'steward-scratch', uid: 994 });
    // Another Steward on the machine has another store, and the same user.
    expect(scratchAccountIn(made, 812)).toEqual({ name: 'steward-scratch', uid: 994 });
    const before = 'steward-scratch:x:994:995::/nonexistent:/usr/sbin/nologin';
    expect(scratchAccountIn(before, STORE)).toEqual({ name: 'steward-scratch', uid: 994 });
    expect(refusal('steward-scratch:x:994:812::/nonexistent:/usr/sbin/nologin').message).toContain("its comment is ''");
  });

  it('is nobody who can log in, and the error says in what that one differs and what to do', () => {
    const person = refusal('steward-scratch:x:1001:1001:Sam Tester,,,:/home/steward-scratch:/bin/bash');
    expect(person.code).toBe('PRECONDITION_FAILED');
    expect(person.message).toBe(
      "The user 'steward-scratch', as whom Steward tries copies out, is not one that Steward made: its uid is 1001, not that of a system user; its comment is 'Sam Tester,,,', not 'Steward tries copies out'; its home is /home/steward-scratch, not /nonexistent; its shell is /bin/bash, not /usr/sbin/nologin.",
    );
    expect(person.hint).toContain('usermod --login ANOTHER steward-scratch');
    expect(person.hint).toContain('userdel steward-scratch');
  });

  it.each([
    ['a service with a home', 'steward-scratch:x:994:995::/srv/scratch:/usr/sbin/nologin', 'its home is /srv/scratch'],
    ['one that can log in', 'steward-scratch:x:994:995::/nonexistent:/bin/sh', 'its shell is /bin/sh'],
    ['one whose shell is the default', 'steward-scratch:x:994:995::/nonexistent:', 'its shell is not set'],
    ['a name for root', 'steward-scratch:x:0:995::/nonexistent:/usr/sbin/nologin', 'its uid is 0'],
    ['nobody', 'steward-scratch:x:65534:995::/nonexistent:/usr/sbin/nologin', 'its uid is 65534'],
    ['a torn line', 'steward-scratch', 'its uid is ,'],
  ])('is not %s', (_, line, says) => {
    expect(refusal(line).message).toContain(says);
  });

  it('is handed over by one command where it is a system user that nobody uses', () => {
    const { hint } = refusal('steward-scratch:x:994:812:batch jobs:/nonexistent:/usr/sbin/nologin');
    expect(hint).toContain(
      "usermod --comment 'Steward tries copies out' --home /nonexistent --shell /usr/sbin/nologin",
    );
  });
});
