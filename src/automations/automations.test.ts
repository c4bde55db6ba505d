import { automationContract } from '../testing/automation.contract.ts';
import { aResource } from '../testing/fakes/fake-inventory.ts';
import { type FakePorts, fakePorts } from '../testing/fakes/fake-ports.ts';
import { automations } from './index.ts';

let ticks = Date.parse('2026-03-31T03:30:00Z');
// Moves on with every look, so that what is started twice is told apart.
const now = (): Date => new Date((ticks += 10));
const day = (days: number): Date => new Date(ticks - days * 86_400_000);

automationContract({ folder: import.meta.dirname, automations: automations(), now, world: furnished });

/** A machine on which there is something to do for everyone. */
function furnished(): FakePorts {
  const ports = fakePorts({ now, roots: ['/tmp', '/var/tmp'] });
  for (const name of ['nginx', 'postgresql']) {
    ports.systemd.add(`${name}.service`);
    ports.inventory.put(
      aResource({
        id: `svc_${name}`,
        name,
        node: 'memory',
        supervisor: { kind: 'systemd', unit: `${name}.service`, scope: 'system' },
        endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 80 }],
      }),
    );
  }
  for (const origin of ['https://hooks.example', 'https://crm.example'])
    ports.http.serve(origin, { body: '{"owner":"42"}' });
  ports.processes.start(['/usr/sbin/nginx'], { unit: 'nginx.service', unitScope: 'system', state: 'T' });
  const postgresql = {
    kind: 'postgres' as const,
    host: '127.0.0.1',
    port: 5432,
    user: 'steward',
    password: { env: 'PW' },
  };
  ports.checks.configure('svc_postgresql', [postgresql]);
  const blocker = ports.databases.join({ state: 'idle-in-transaction', stateSeconds: 600, transactionSeconds: 600 });
  ports.databases.join({ state: 'active', waitsFor: [blocker.id] });
  for (let leaked = 0; leaked < 3; leaked += 1) ports.databases.join({ stateSeconds: 3_600 });
  ports.memory.addGroup({ path: '/system.slice/nginx.service', unit: 'nginx.service', unitScope: 'system' });
  ports.storage.addCache('apt', 4e9);
  ports.storage.addLog('/var/log/syslog.7.gz', 2e9, day(60));
  ports.storage.setJournal(3e9);
  ports.queue.put({ kind: 'run', id: 'run_missed', what: 'clear-caches', since: day(1).toISOString() });
  ports.backups.addRepository('local');
  ports.backups.addSource({ kind: 'files', name: 'etc', paths: ['/etc'] });
  for (const [index, made] of ['2026-02-20T04:00Z', '2026-02-20T10:00Z', '2026-03-30T04:00Z'].entries()) {
    const copy = { id: `cp_${made}`, source: 'etc', repository: 'local' };
    const startedAt = new Date(made);
    ports.copies.put({ ...copy, startedAt, snapshotAt: startedAt, provenAt: startedAt, sequence: index + 1 });
    void ports.backups.make({ ...copy, at: startedAt }, { signal: new AbortController().signal });
  }
  ports.sandboxes.put({ id: 'sb_etc', source: 'etc' });
  ports.backups.addSource({ kind: 'postgres', name: 'crm' });
  ports.fitness.addDatabase({
    source: 'crm',
    kind: 'postgres',
    tables: [
      {
        database: 'crm',
        name: 'public.orders',
        bytes: 1e8,
        rows: 10_000,
        deadRows: 9_000,
        changedRows: 9_000,
        vacuumedAt: null,
        analyzedAt: null,
        measured: false,
      },
    ],
  });
  ports.expiry.addTable({ source: 'crm', table: 'sessions' }, [day(2), day(-2)]);
  ports.metrics.measure('steward_check_latency_seconds', { service: 'nginx', check: 'http', id: 'chk_1' }, () => 0.1);
  ports.migrations.addSet({ name: 'shop', source: 'etc' });
  ports.migrations.write('0001_orders.up.sql', 'create table orders (id int)');
  ports.migrations.write('0001_orders.down.sql', 'drop table orders');
  ports.migrations.write('0002_lines.sql', 'create table lines (id int)');
  ports.migrations.apply('0001');
  ports.docker.addBuildCache({ bytes: 2e9, lastUsedAt: day(60) });
  ports.docker.addImage({ tags: ['old:1'], digests: ['old@sha256:1'], createdAt: day(90), bytes: 30e9 });
  const old = { modifiedAt: day(40), accessedAt: day(40) };
  ports.files.write('/tmp/old.log', 'unused', old);
  ports.files.write('/tmp/build/object', 'unused', old);
  ports.files.mkdir('/tmp/build', old);
  ports.files.write('/tmp/.steward-quarantine/run_before/file', 'set aside', old);
  ports.files.mkdir('/tmp/.steward-quarantine/run_before', old);
  ports.files.mkdir('/tmp/.steward-quarantine', { mode: 0o700 });
  return ports;
}
