import { describe, expect, it } from 'vitest';
import { readEnvironment } from './environment.ts';

describe('readEnvironment', () => {
  it('has a data folder that fits the user, unless one is named', () => {
    const home = readEnvironment({ XDG_DATA_HOME: '/data' }).home;

    expect(home).toBe(process.geteuid?.() === 0 ? '/var/lib/steward' : '/data/steward');
    expect(readEnvironment({ STEWARD_HOME: '/srv/steward/' }).home).toBe('/srv/steward');
  });

  it('takes an empty variable for one that is not set', () => {
    const { databaseUrl, configFile, overrides } = readEnvironment({
      STEWARD_DATABASE_URL: '',
      STEWARD_CONFIG: '',
      STEWARD_PORT: '',
    });

    expect([databaseUrl, configFile, overrides]).toEqual([undefined, undefined, []]);
  });

  it('turns variables into members of the configuration', () => {
    const { overrides } = readEnvironment({ STEWARD_PORT: '4000', STEWARD_NODE_NAME: 'one' });

    expect(overrides).toEqual([
      { variable: 'STEWARD_PORT', path: ['server', 'port'], value: 4000 },
      { variable: 'STEWARD_NODE_NAME', path: ['node', 'name'], value: 'one' },
    ]);
  });

  it('knows thresholds by two names, of which its own stands first', () => {
    const { overrides } = readEnvironment({
      SUTAZAI_MAX_LOAD_THRESHOLD: '2.5',
      STEWARD_MAX_DISK_USAGE: '70',
      SUTAZAI_MAX_DISK_USAGE: '60',
    });

    expect(overrides.at(-1)).toMatchObject({ path: ['machine', 'disk'], value: 70 });
    expect(overrides).toContainEqual({ variable: 'SUTAZAI_MAX_LOAD_THRESHOLD', path: ['machine', 'load'], value: 2.5 });
  });

  it('reads ages in days, times in seconds, and yes or no', () => {
    const { overrides } = readEnvironment({
      MAX_BACKUP_AGE_DAYS: '3',
      MAX_VERIFICATION_TIME: '120',
      VERIFY_ALL: 'TRUE',
      BACKUP_RETENTION_DAYS: 'a month',
    });

    expect(overrides.map(({ path, value }) => [path.join('.'), value])).toEqual([
      ['backups.maxAge', '3d'],
      ['backups.verification.limit', '120s'],
      ['backups.verification.all', true],
      ['backups.retention', 'a month'],
    ]);
  });

  it('hands on to programs what they need, and nothing that is a secret', () => {
    const { inherited } = readEnvironment({
      PATH: '/bin',
      LANG: 'C',
      STEWARD_DATABASE_URL: 'postgres://u:p@h/d',
      AWS_SECRET_ACCESS_KEY: 'x',
    });

    expect(inherited).toEqual({ PATH: '/bin', LANG: 'C' });
  });
});
