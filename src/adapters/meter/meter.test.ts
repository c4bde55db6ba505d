import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Reading } from '../../core/metric.ts';
import { createHostMeter } from './host.ts';
import { createOwnMeter } from './own.ts';

// As a virtual machine with Linux 6.18 and two cores wrote them.
const RECORDED: Readonly<Record<string, string>> = {
  'proc/stat': `cpu  5715034 1816178 3770125 2550000 80345 0 83248 0 0 0
cpu0 3267091 341238 1900348 1443321 25726 0 31221 0 0 0
cpu1 2447942 1474939 1869777 1106679 54618 0 52027 0 0 0
ctxt 220873811
`,
  'proc/loadavg': '19.79 14.23 8.83 3/412 21728\n',
  'proc/meminfo': `MemTotal:       24683620 kB
MemFree:         1203412 kB
MemAvailable:   21722844 kB
SwapTotal:       1048572 kB
SwapFree:        1048000 kB
`,
  'proc/pressure/cpu': `some avg10=19.53 avg60=27.16 avg300=41.26 total=43546980157
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
`,
  'proc/self/mounts': '/dev/vda / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n/dev/vdb /srv ext4 rw 0 0\n',
  'proc/diskstats': `   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 2913252 231077 58732930 7606098 10735575 7969806 887947720 10678571 4 3402456 21777422 7074819 155032 885057312 2520751 3350255 971999
 254       1 vda1 1 0 8 0 0 0 0 0 0 0 0
`,
  'proc/net/dev': `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 115804410379 18065447    0    0    0     0          0         0 115804410379 18065447    0    0    0     0       0          0
  eth0: 5835283321  256143    3    4    0     0          0         0 25547734  185429    0    2    0     0       0          0
br-5b85f0bcb784:    5499      58    0    0    0     0          0         0     5271      67    0    4    0     0       0          0
vethd2f1c3a: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
`,
  'sys/block/vda/size': '528424960\n',
};

// Laid out as the kernel documents it for hwmon and thermal zones; no machine with sensors was at hand.
const SENSORS = {
  'sys/class/hwmon/hwmon1/name': 'coretemp\n',
  'sys/class/hwmon/hwmon1/temp1_input': '55000\n',
  'sys/class/hwmon/hwmon1/temp1_label': 'Package id 0\n',
  'sys/class/hwmon/hwmon1/temp2_input': '\n',
  'sys/class/hwmon/hwmon1/temp2_max': '100000\n',
};
const ZONE = {
  'sys/class/thermal/thermal_zone0/type': 'x86_pkg_temp\n',
  'sys/class/thermal/thermal_zone0/temp': '41500\n',
};

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function readingsOf(files: Readonly<Record<string, string>>): Promise<Map<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'steward-meter-'));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const meter = createHostMeter({
    proc: join(folder, 'proc'),
    sys: join(folder, 'sys'),
    async space(path, mount) {
      if (path !== '/') throw Object.assign(new Error('gone'), { code: 'ENOENT' });
      const used = { totalBytes: 1_000, usedBytes: 300, freeBytes: 650, totalInodes: 10, freeInodes: 4 };
      return { ...mount, ...used };
    },
  });
  return new Map((await meter.read()).map((reading) => [keyOf(reading), reading.value]));
}

function keyOf({ name, labels }: Reading): string {
  return [name.replace('steward_host_', ''), ...Object.values(labels)].join(' ');
}

it('reads what a recorded machine says of itself', async () => {
  const found = await readingsOf(RECORDED);

  expect(Object.fromEntries(found)).toEqual({
    'cpu_seconds_total user': 57_150.34,
    'cpu_seconds_total nice': 18_161.78,
    'cpu_seconds_total system': 37_701.25,
    'cpu_seconds_total idle': 25_500,
    'cpu_seconds_total iowait': 803.45,
    'cpu_seconds_total irq': 0,
    'cpu_seconds_total softirq': 832.48,
    'cpu_seconds_total steal': 0,
    cores: 2,
    load1: 19.79,
    load5: 14.23,
    load15: 8.83,
    memory_bytes: 24_683_620 * 1_024,
    memory_available_bytes: 21_722_844 * 1_024,
    swap_bytes: 1_048_572 * 1_024,
    swap_free_bytes: 1_048_000 * 1_024,
    'pressure_seconds_total cpu some': 43_546.980157,
    'pressure_seconds_total cpu full': 0,
    'filesystem_bytes / /dev/vda': 1_000,
    'filesystem_free_bytes / /dev/vda': 650,
    'filesystem_inodes / /dev/vda': 10,
    'filesystem_inodes_free / /dev/vda': 4,
    'disk_read_bytes_total vda': 58_732_930 * 512,
    'disk_written_bytes_total vda': 887_947_720 * 512,
    'disk_busy_seconds_total vda': 3_402.456,
    'network_received_bytes_total eth0': 5_835_283_321,
    'network_sent_bytes_total eth0': 25_547_734,
    'network_errors_total eth0 received': 7,
    'network_errors_total eth0 sent': 2,
  });
});

it('asks the sensors, and thermal zones only where there are none', async () => {
  expect(Object.fromEntries(await readingsOf({ ...SENSORS, ...ZONE }))).toEqual({
    'temperature_celsius hwmon1/coretemp/Package id 0': 55,
  });
  expect(Object.fromEntries(await readingsOf(ZONE))).toEqual({
    'temperature_celsius thermal_zone0/x86_pkg_temp': 41.5,
  });
});

it('leaves out what a machine does not have', async () => {
  expect(await readingsOf({})).toEqual(new Map());
});

it('measures this process', async () => {
  const meter = createOwnMeter();
  const found = new Map((await meter.read()).map(({ name, value }) => [name, value]));
  meter.stop();

  expect(found.get('steward_process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  expect(found.get('steward_process_cpu_seconds_total')).toBeGreaterThan(0);
  expect((found.get('steward_process_start_time_seconds') ?? 0) * 1_000).toBeLessThan(Date.now());
});
