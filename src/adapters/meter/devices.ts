import { type Reading, reading } from '../../core/metric.ts';

/** What /proc/diskstats counts, whatever a disk calls its sectors. */
const SECTOR_BYTES = 512;
const NO_DISK = /^(loop|ram|zram|fd|sr)\d/;
/** Loopback, and what comes and goes with containers and their networks. */
const NO_INTERFACE = /^(lo$|veth|ifb\d|dummy\d|br-[0-9a-f]{12}$)/;

/** Whole disks, from /proc/diskstats; `isWhole` tells a disk from its partitions. */
export function diskReadings(text: string, isWhole: (device: string) => boolean): Reading[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/ +/);
    const device = fields[2];
    if (device === undefined || NO_DISK.test(device) || !isWhole(device)) return [];
    const [sectorsRead, sectorsWritten, busyMs] = [fields[5], fields[9], fields[12]].map(Number);
    if (sectorsRead === undefined || sectorsWritten === undefined || busyMs === undefined) return [];
    const labels = { device };
    return [
      reading('steward_host_disk_read_bytes_total', sectorsRead * SECTOR_BYTES, labels),
      reading('steward_host_disk_written_bytes_total', sectorsWritten * SECTOR_BYTES, labels),
      reading('steward_host_disk_busy_seconds_total', busyMs / 1_000, labels),
    ];
  });
}

/** Interfaces, from /proc/net/dev. */
export function networkReadings(text: string): Reading[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', counts] = line.split(':');
    const device = name.trim();
    if (counts === undefined || NO_INTERFACE.test(device)) return [];
    const fields = counts.trim().split(/ +/).map(Number);
    const at = (index: number): number => fields[index] ?? 0;
    return [
      reading('steward_host_network_received_bytes_total', at(0), { interface: device }),
      reading('steward_host_network_sent_bytes_total', at(8), { interface: device }),
      reading('steward_host_network_errors_total', at(2) + at(3), { interface: device, direction: 'received' }),
      reading('steward_host_network_errors_total', at(10) + at(11), { interface: device, direction: 'sent' }),
    ];
  });
}

/** Sensors below /sys/class/hwmon; where there are none, the thermal zones of /sys/class/thermal. */
export function temperatureReadings(
  sys: string,
  { read, names }: { read: (path: string) => string | undefined; names: (path: string) => readonly string[] },
): Reading[] {
  const of = (file: string, sensor: string): Reading[] => {
    const milli = Number(read(file)?.trim() || Number.NaN);
    return Number.isFinite(milli) ? [reading('steward_host_temperature_celsius', milli / 1_000, { sensor })] : [];
  };
  const text = (path: string): string | undefined => read(path)?.trim();
  const chips = names(`${sys}/class/hwmon`).flatMap((chip) => {
    const folder = `${sys}/class/hwmon/${chip}`;
    return names(folder).flatMap((file) => {
      const input = /^(temp\d+)_input$/.exec(file)?.[1];
      if (input === undefined) return [];
      const name = text(`${folder}/name`) ?? 'unknown';
      // Two disks are two chips of one name.
      return of(`${folder}/${file}`, `${chip}/${name}/${text(`${folder}/${input}_label`) ?? input}`);
    });
  });
  if (chips.length > 0) return chips;
  return names(`${sys}/class/thermal`)
    .filter((zone) => zone.startsWith('thermal_zone'))
    .flatMap((zone) =>
      of(`${sys}/class/thermal/${zone}/temp`, `${zone}/${text(`${sys}/class/thermal/${zone}/type`) ?? 'unknown'}`),
    );
}
