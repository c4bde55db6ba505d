import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { automations } from '../automations/index.ts';
import { loadRunbooks, parseRunbook } from './runbooks.ts';

const known = new Map(automations().map((automation) => [automation.name, automation]));
const shipped = resolve(import.meta.dirname, '../runbooks');

const MINE = `---
name: mine
title: Restart what I know of
heals: [service.down]
needs: { labels: { team: shop } }
automation: restart-service
input: { service: '{resource.id}', graceSeconds: 60 }
never: [anything else]
success: It answers again.
---

1. Restarts it.
`;
const parse = (text: string, file = 'runbooks/mine.md') =>
  parseRunbook(text, { file, source: `/home/${file}`, automations: known });
const problems = (text: string) => {
  const read = parse(text);
  return 'problems' in read ? read.problems.map(({ path, message }) => `${path} ${message}`) : [];
};

describe('a runbook of the user', () => {
  it('is read with what it says, and has to earn its autonomy', () => {
    expect(parse(MINE)).toMatchObject({
      runbook: {
        name: 'mine',
        autonomy: 'earned',
        disruptive: true,
        tries: 2,
        text: '1. Restarts it.',
        source: '/home/runbooks/mine.md',
      },
    });
  });

  it.each([
    ['service.down', 'service.dwon', 'runbooks/mine.md:4:9 heals.0: '],
    ['title: Restart what I know of\n', '', 'runbooks/mine.md:2:1 title: is missing'],
    [
      'automation: restart-service',
      'automation: format-disk',
      "runbooks/mine.md:6:13 there is no automation 'format-disk'",
    ],
    ['graceSeconds: 60', 'graceSeconds: lots', 'runbooks/mine.md:7:50 '],
    ['graceSeconds: 60', 'grace: 60', "runbooks/mine.md:7:43 restart-service takes no 'grace'"],
    [
      'never: [anything else]',
      'never: [anything else]\nautonomy: trusted',
      'runbooks/mine.md:9:11 a runbook of yours earns it',
    ],
    [
      'never: [anything else]',
      'never: [anything else]\ndisruptive: false',
      'runbooks/mine.md:9:13 restart-service changes something',
    ],
    ['name: mine', 'name: other', "runbooks/mine.md:2:7 the file of the runbook 'other' is called other.md"],
    ['needs: {', 'needs: { colour: red,', 'runbooks/mine.md:5:10 needs.colour: '],
    ['needs: { labels: { team: shop } }', 'needs: { labels: ', 'runbooks/mine.md:'],
    ['---\nname', 'name', 'runbooks/mine.md:1:1 expected a head'],
  ])('is refused where %j is %j, with line and column', (from, to, expected) => {
    expect(problems(MINE.replace(from, to))[0]).toContain(expected);
  });

  it('takes the place of the shipped one of its name, and a broken one keeps nothing from working', () => {
    const own = mkdtempSync(join(tmpdir(), 'runbooks-'));
    writeFileSync(
      join(own, 'restart-supervised.md'),
      MINE.replace('name: mine', 'name: restart-supervised').replace(
        'heals: [service.down]',
        'heals: [service.down]\norder: 1',
      ),
    );
    writeFileSync(join(own, 'broken.md'), 'nothing of it');
    writeFileSync(join(own, 'notes.txt'), 'not a runbook');
    const loaded = loadRunbooks({ shipped, own, automations: known });
    expect(loaded.runbooks[0]).toMatchObject({
      name: 'restart-supervised',
      source: join(own, 'restart-supervised.md'),
    });
    expect(loaded.runbooks.filter(({ name }) => name === 'restart-supervised')).toHaveLength(1);
    expect(loaded.problems).toMatchObject([{ path: 'runbooks/broken.md:1:1' }]);
  });
});

describe('the runbooks that ship', () => {
  it.each(loadRunbooks({ shipped, own: '/nonexistent', automations: known }).runbooks.map((each) => [each.name, each]))(
    '%s says step by step what it does',
    (_name, { text, never, success, source }) => {
      expect(source).toBe('shipped');
      expect(text).toMatch(/^1\. /m);
      expect(never.length).toBeGreaterThan(0);
      expect(success.length).toBeGreaterThan(20);
    },
  );
});
