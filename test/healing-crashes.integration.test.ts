import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemdContainerMissing } from '../src/testing/world/systemd-container.ts';
import { told } from './kit/heals.ts';
import { COUNT_STARTS, HOME, type Machine, startMachine } from './kit/machine.ts';
import { eventually, sleep } from './kit/steward.ts';

const missing = systemdContainerMissing();
const NODE = '/opt/steward/node_modules/node/bin/node';
/** Each is struck once: what one heal used of its budget is not mixed with another's. */
const SERVICES = ['amber', 'birch', 'cedar', 'delta', 'ember', 'fjord', 'grove', 'heath'];

describe.skipIf(missing)(`Steward itself dies in the middle of a heal${missing ? ` (${missing})` : ''}`, () => {
  let machine: Machine;
  const figures: object[] = [];

  beforeAll(async () => {
    machine = await startMachine({
      packages: ['redis-server', 'nginx-light', 'postgresql-15', 'iproute2'],
      config: `monitoring: { every: 1s, timeout: 1s, flap: { high: 60, low: 30 } }\nhealing: { loop: 1s, soak: 3s, backoff: 1s }`,
      async prepare({ sh, write }) {
        await write('/srv/web.mjs', readFileSync(join(import.meta.dirname, 'fixtures/machine/web.mjs'), 'utf8'));
        for (const [index, name] of SERVICES.entries())
          await write(
            `/etc/systemd/system/${name}.service`,
            // Slow to start, so that there is a middle in which to die.
            `[Service]\n${COUNT_STARTS}\nExecStartPre=/bin/sleep 0.7\nExecStart=${NODE} /srv/web.mjs ${8201 + index}\n`,
          );
        await sh(`systemctl disable --now redis-server nginx postgresql@15-main 2>/dev/null || true
          systemctl daemon-reload; systemctl start ${SERVICES.join(' ')}`);
      },
    });
    await eventually('every service is up', async () => {
      const states = (await machine.api.services()).filter(({ name }) => SERVICES.includes(name));
      return states.length === SERVICES.length && states.every(({ state }) => state === 'up') ? true : undefined;
    });
  }, 300_000);

  afterAll(async () => {
    console.table(figures);
    await machine?.stop();
  }, 60_000);

  /** The main process only; systemd brings it back after two seconds, its PostgreSQL with it. */
  const killSteward = () => machine.systemd.exec('systemctl', 'kill', '-s', 'KILL', '--kill-who=main', 'steward');
  const killStore = () => machine.sh(`kill -9 $(head -1 ${HOME}/pg/data/postmaster.pid)`);

  const ask = (question: string): Promise<string> =>
    machine.sh(
      `PGPASSWORD=$(cat ${HOME}/pg/password) psql -h ${HOME}/pg/run -U steward -d postgres -Atc "${question}"`,
    );

  async function healDespite(name: string, blow: () => Promise<unknown>, delayMs: number): Promise<void> {
    const { api, log } = machine;
    const { id } = await api.service(name);
    const from = log.events.length;
    await machine.systemd.exec('systemctl', 'kill', '-s', 'KILL', `${name}.service`);
    await log.until(`the incident of ${name}`, told('incident.opened', id), 15_000, from);
    await sleep(delayMs);
    await blow();
    const at = Date.now();
    const end = await log.until(
      `the end of the incident of ${name}`,
      (event) => told('incident.resolved', id)(event) || told('incident.escalated', id)(event),
      90_000,
      from,
    );
    const incidentId = String(end.data['incidentId']);
    const attempts = (await api.attempts()).filter((attempt) => attempt.incidentId === incidentId);
    const runs = await Promise.all(attempts.flatMap(({ runId }) => (runId === undefined ? [] : [api.run(runId)])));
    const restarts = (await machine.starts(`${name}.service`)) - 1;
    figures.push({
      name,
      delayMs,
      secondsToEnd: Math.round((Date.now() - at) / 100) / 10,
      end: end.type,
      attempts: attempts.map(({ status }) => status).join(),
      runs: runs.map(({ status }) => status).join(),
      restarts,
    });

    expect((await api.incident(incidentId)).status).toMatch(/resolved|escalated/);
    expect(log.events.slice(from).filter(told('incident.opened', id))).toHaveLength(1);
    expect(attempts.map(({ number }) => number).toSorted()).toEqual(attempts.map((_, index) => index + 1));
    expect(attempts.length).toBeLessThanOrEqual(3);
    for (const { status } of attempts) expect(status).toMatch(/succeeded|failed|abandoned/);
    for (const { status } of runs) expect(status).toMatch(/succeeded|failed|rolled-back|canceled|stale/);
    expect(restarts).toBeGreaterThanOrEqual(1);
    expect(restarts).toBeLessThanOrEqual(attempts.length);
    expect((await api.service(name)).state).toBe('up');
    await eventually(
      'no lock is left',
      async () =>
        (await ask('select count(*) from engine_locks where expires_at > now()')) === '0' ? true : undefined,
      10_000,
    );
    expect(await ask('select count(*) from healing_attempts where finished_at is null')).toBe('0');
  }

  // From before the attempt to the middle of the soak: spread over a heal, and never at the same place twice.
  const moments = [0, 500, 1_000, 1_600, 2_600].map((start) => start + Math.round(Math.random() * 400));

  it.each(SERVICES.slice(0, 5).map((name, index) => [name, moments[index] ?? 0] as const))(
    'brings %s back once, though Steward is killed after %i ms of it',
    { timeout: 120_000 },
    async (name, delayMs) => await healDespite(name, killSteward, delayMs),
  );

  it.each(SERVICES.slice(5).map((name, index) => [name, 300 + index * 700 + Math.round(Math.random() * 300)] as const))(
    'brings %s back once, though its PostgreSQL is killed after %i ms of it',
    { timeout: 120_000 },
    async (name, delayMs) => await healDespite(name, killStore, delayMs),
  );

  it('has a record that nobody has to doubt', { timeout: 30_000 }, async () => {
    const verdict = await machine.systemd.exec(NODE, '/opt/steward/bin/steward.js', 'audit', 'verify', '--json');
    expect(JSON.parse(verdict)).toMatchObject({ ok: true });
  });
});
