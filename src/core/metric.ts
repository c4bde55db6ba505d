interface Described {
  /** A counter only grows while what counts lives; kept of it is how fast it grows. */
  readonly type: 'gauge' | 'counter';
  readonly unit: 'seconds' | 'bytes' | 'celsius' | 'ratio' | 'count';
  readonly help: string;
}

/** Everything that is measured, by the name that the store, the API and Prometheus know it by. Names are permanent. */
export const METRICS = {
  steward_host_cpu_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time of all cores of the machine, by what they did.',
  },
  steward_host_cores: { type: 'gauge', unit: 'count', help: 'Cores that the machine has.' },
  steward_host_load1: { type: 'gauge', unit: 'count', help: 'Tasks that run or wait to, over a minute.' },
  steward_host_load5: { type: 'gauge', unit: 'count', help: 'Tasks that run or wait to, over five minutes.' },
  steward_host_load15: { type: 'gauge', unit: 'count', help: 'Tasks that run or wait to, over fifteen minutes.' },
  steward_host_memory_bytes: { type: 'gauge', unit: 'bytes', help: 'Memory that there is to use.' },
  steward_host_memory_available_bytes: { type: 'gauge', unit: 'bytes', help: 'Memory that programs could still get.' },
  steward_host_swap_bytes: { type: 'gauge', unit: 'bytes', help: 'Swap that there is.' },
  steward_host_swap_free_bytes: { type: 'gauge', unit: 'bytes', help: 'Swap that nobody uses.' },
  steward_host_filesystem_bytes: { type: 'gauge', unit: 'bytes', help: 'Size of a mounted file system.' },
  steward_host_filesystem_free_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'What everybody may still write to a file system.',
  },
  steward_host_filesystem_inodes: { type: 'gauge', unit: 'count', help: 'Files that a file system can hold.' },
  steward_host_filesystem_inodes_free: {
    type: 'gauge',
    unit: 'count',
    help: 'Files that a file system could still take.',
  },
  steward_host_disk_read_bytes_total: { type: 'counter', unit: 'bytes', help: 'Read from a disk.' },
  steward_host_disk_written_bytes_total: { type: 'counter', unit: 'bytes', help: 'Written to a disk.' },
  steward_host_disk_busy_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time in which a disk had something to do.',
  },
  steward_host_network_received_bytes_total: { type: 'counter', unit: 'bytes', help: 'Received by an interface.' },
  steward_host_network_sent_bytes_total: { type: 'counter', unit: 'bytes', help: 'Sent by an interface.' },
  steward_host_network_errors_total: {
    type: 'counter',
    unit: 'count',
    help: 'Packets that an interface lost or could not read, by direction.',
  },
  steward_host_pressure_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time in which some, or all, tasks waited for a resource (PSI).',
  },
  steward_host_temperature_celsius: { type: 'gauge', unit: 'celsius', help: 'What a sensor of the machine says.' },
  steward_check_up: {
    type: 'gauge',
    unit: 'ratio',
    help: 'What a check said last: 1 well, 0.5 degraded, 0 down; nothing while stopped or unknown.',
  },
  steward_check_latency_seconds: { type: 'gauge', unit: 'seconds', help: 'How long the last answer to a check took.' },
  steward_place_up: {
    type: 'gauge',
    unit: 'ratio',
    help: 'What a place saw last of a check: 1 well, 0.5 degraded, 0 down.',
  },
  steward_place_latency_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How long the last good answer to a check took, seen from a place.',
  },
  steward_service_cpu_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time of cores that a service used: its container, its unit, or its processes.',
  },
  steward_service_memory_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory that a service holds, without cached files that it would give back.',
  },
  steward_service_restarts_total: {
    type: 'counter',
    unit: 'count',
    help: 'How often a service was seen to begin anew, by whomever, since Steward began to look.',
  },
  steward_database_connections: { type: 'gauge', unit: 'count', help: 'Connections to a database server.' },
  steward_database_connections_limit: {
    type: 'gauge',
    unit: 'count',
    help: 'Connections that a database server takes at most.',
  },
  steward_database_bytes: { type: 'gauge', unit: 'bytes', help: 'What the databases of a source take, all together.' },
  steward_database_operations_total: {
    type: 'counter',
    unit: 'count',
    help: 'Transactions of PostgreSQL, statements of MySQL and MariaDB, commands of Redis.',
  },
  steward_database_cache_hit_ratio: {
    type: 'gauge',
    unit: 'ratio',
    help: 'Of what was read, how much lay in memory, or was there (Redis), since the server counts.',
  },
  steward_database_replication_lag_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How far the replica that is furthest behind is behind.',
  },
  steward_database_replication_lag_bytes: {
    type: 'gauge',
    unit: 'bytes',
    help: 'The same in what it has to take in yet.',
  },
  steward_model_server_models: { type: 'gauge', unit: 'count', help: 'Models that a model server has.' },
  steward_model_server_answer_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How long a model server took to list its models, or the slowest of the models that a check asks to answer.',
  },
  steward_gateway_requests_total: {
    type: 'counter',
    unit: 'count',
    help: 'Requests to the gateway, by the hundred of their answer; none where nobody waited for one.',
  },
  steward_gateway_refusals_total: {
    type: 'counter',
    unit: 'count',
    help: 'Requests that the gateway refused, by rule.',
  },
  steward_gateway_latency_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How long answers of the gateway took since Steward began, as a quantile.',
  },
  steward_gateway_target_usable: {
    type: 'gauge',
    unit: 'ratio',
    help: 'Whether a target of the gateway is asked: 0 where monitoring has seen it down, or it failed too often.',
  },
  steward_process_resident_memory_bytes: { type: 'gauge', unit: 'bytes', help: 'Memory that Steward itself holds.' },
  steward_process_heap_used_bytes: { type: 'gauge', unit: 'bytes', help: 'Of that, what its objects take.' },
  steward_process_cpu_seconds_total: {
    type: 'counter',
    unit: 'seconds',
    help: 'Time of cores that Steward itself used.',
  },
  steward_process_event_loop_delay_seconds: {
    type: 'gauge',
    unit: 'seconds',
    help: 'How late Steward itself came to what was due; 99 of 100 times it was sooner.',
  },
  steward_process_start_time_seconds: { type: 'gauge', unit: 'seconds', help: 'When Steward began, since 1970.' },
  steward_store_bytes: { type: 'gauge', unit: 'bytes', help: 'What the store of Steward takes on its disk.' },
  steward_metric_series: { type: 'gauge', unit: 'count', help: 'Series that this node keeps at present.' },
} as const satisfies Record<string, Described>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as [MetricName, ...MetricName[]];

export type Labels = Readonly<Record<string, string>>;

/** One value of one series, as it is now. */
export interface Reading {
  readonly name: MetricName;
  readonly labels: Labels;
  readonly value: number;
  /** What it is about, where the inventory knows that. */
  readonly resourceId?: string;
  /** When it was seen, where that is not now: it is kept once, however often it is read. */
  readonly at?: Date;
}

/** Looks at once; what a machine does not have is left out. */
export interface Meter {
  read(): Promise<Reading[]>;
}

export function reading(name: MetricName, value: number, labels: Labels = {}): Reading {
  return { name, labels, value };
}
