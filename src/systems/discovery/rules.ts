/** What speaks for a product. Patterns are tried on lower-case text. */
export interface ProductRule {
  readonly product: string;
  /** File name of the executable: what really runs, unlike argv[0]. */
  readonly executable?: RegExp;
  /** The argument list, for products that an interpreter runs. */
  readonly argv?: RegExp;
  /** Repository part of a container image, registry and tag taken off. */
  readonly image?: RegExp;
  readonly unit?: RegExp;
  /** HTTP headers by which it describes itself; the first group is the version. */
  readonly headers?: readonly (readonly [name: string, value: RegExp])[];
  readonly title?: RegExp;
  readonly body?: RegExp;
  /** Passes on what others say, so what its port answers tells nothing about it. */
  readonly forwarder?: true;
  /** Products whose handshake it completes as well: pgbouncer speaks PostgreSQL. */
  readonly speaksAs?: readonly string[];
  /** Arguments that make the program print its version and do nothing else. */
  readonly versionArgs?: readonly string[];
}

export const PRODUCTS: readonly ProductRule[] = [
  // Databases, caches, queues
  {
    product: 'postgresql',
    executable: /^(postgres|postmaster)$/,
    image: /^(postgres|postgis|timescaledb(-ha)?|pgvector)$/,
    unit: /^postgresql/,
    versionArgs: ['--version'],
  },
  {
    product: 'pgbouncer',
    executable: /^pgbouncer$/,
    image: /^pgbouncer$/,
    unit: /^pgbouncer/,
    forwarder: true,
    speaksAs: ['postgresql'],
  },
  { product: 'mariadb', executable: /^mariadbd$/, image: /^mariadb$/, unit: /^mariadb/, versionArgs: ['--version'] },
  // Older MariaDB calls its server mysqld as well; the greeting tells.
  {
    product: 'mysql',
    executable: /^mysqld$/,
    image: /^(mysql|mysql-server|percona)$/,
    unit: /^mysql/,
    speaksAs: ['mariadb'],
  },
  {
    product: 'redis',
    executable: /^redis-(server|sentinel|check-rdb)$/,
    image: /^(redis|redis-stack(-server)?)$/,
    unit: /^redis/,
    versionArgs: ['--version'],
  },
  {
    product: 'valkey',
    executable: /^valkey-(server|sentinel)$/,
    image: /^valkey$/,
    unit: /^valkey/,
    speaksAs: ['redis'],
  },
  { product: 'keydb', executable: /^keydb-server$/, image: /^keydb$/, speaksAs: ['redis'] },
  { product: 'dragonfly', executable: /^dragonfly(-.*)?$/, image: /^dragonfly$/, speaksAs: ['redis'] },
  {
    product: 'memcached',
    executable: /^memcached$/,
    image: /^memcached$/,
    unit: /^memcached/,
    versionArgs: ['--version'],
  },
  { product: 'mongodb', executable: /^mongo[ds]$/, image: /^mongo(db)?$/, unit: /^mongod/ },
  {
    product: 'elasticsearch',
    argv: /org\.elasticsearch\./,
    image: /^elasticsearch$/,
    unit: /^elasticsearch/,
    body: /you know, for search/,
  },
  { product: 'opensearch', argv: /org\.opensearch\./, image: /^opensearch$/, body: /the opensearch project/ },
  {
    product: 'influxdb',
    executable: /^influxd(3)?$/,
    image: /^influxdb$/,
    headers: [['x-influxdb-version', /v?([\d.]+)/]],
  },
  {
    product: 'clickhouse',
    executable: /^clickhouse(-server)?$/,
    image: /^clickhouse(-server)?$/,
    headers: [['x-clickhouse-summary', /./]],
  },
  { product: 'couchdb', argv: /couchdb/, image: /^couchdb$/, headers: [['server', /couchdb\/([\d.]+)/]] },
  { product: 'etcd', executable: /^etcd$/, image: /^etcd$/, unit: /^etcd/, versionArgs: ['--version'] },
  { product: 'nats', executable: /^nats-server$/, image: /^nats$/, unit: /^nats/, versionArgs: ['--version'] },
  { product: 'rabbitmq', argv: /rabbit(mq)?/, image: /^rabbitmq$/, unit: /^rabbitmq/, title: /^rabbitmq management/ },
  { product: 'kafka', argv: /kafka\.kafka/, image: /^(kafka|cp-kafka)$/ },
  { product: 'mosquitto', executable: /^mosquitto$/, image: /^(eclipse-)?mosquitto$/, unit: /^mosquitto/ },

  // Web servers and proxies
  {
    product: 'nginx',
    executable: /^nginx$/,
    image: /^nginx(-unprivileged)?$/,
    unit: /^nginx/,
    headers: [['server', /^nginx(?:\/([\d.]+))?/]],
    body: /welcome to nginx/,
    forwarder: true,
    versionArgs: ['-v'],
  },
  {
    product: 'openresty',
    executable: /^openresty$/,
    image: /^openresty$/,
    headers: [['server', /^openresty(?:\/([\d.]+))?/]],
    forwarder: true,
  },
  {
    product: 'apache',
    executable: /^(apache2|httpd)$/,
    image: /^(httpd|apache)$/,
    unit: /^(apache2|httpd)/,
    headers: [['server', /^apache(?:\/([\d.]+))?/]],
    forwarder: true,
  },
  {
    product: 'caddy',
    executable: /^caddy$/,
    image: /^caddy$/,
    unit: /^caddy/,
    headers: [['server', /^caddy/]],
    forwarder: true,
  },
  {
    product: 'haproxy',
    executable: /^haproxy$/,
    image: /^haproxy$/,
    unit: /^haproxy/,
    forwarder: true,
    versionArgs: ['-v'],
  },
  { product: 'traefik', executable: /^traefik$/, image: /^traefik$/, unit: /^traefik/, forwarder: true },
  { product: 'envoy', executable: /^envoy$/, image: /^envoy$/, headers: [['server', /^envoy/]], forwarder: true },
  {
    product: 'varnish',
    executable: /^(varnishd|cache-main)$/,
    image: /^varnish$/,
    headers: [['via', /varnish/]],
    forwarder: true,
  },
  {
    product: 'squid',
    executable: /^squid$/,
    image: /^squid$/,
    unit: /^squid/,
    headers: [['server', /^squid\/([\d.]+)/]],
    forwarder: true,
  },
  { product: 'lighttpd', executable: /^lighttpd$/, image: /^lighttpd$/, headers: [['server', /^lighttpd\/([\d.]+)/]] },
  { product: 'busybox-httpd', argv: /^(\S*busybox )?(\S*\/)?httpd\b/ },
  {
    product: 'python-http-server',
    argv: /^\S*python[\d.]* (-\S+ )*-m http\.server/,
    headers: [['server', /^(?:basehttp|simplehttp)\/[\d.]+ python\/([\d.]+)/]],
  },
  { product: 'php-fpm', executable: /^php-fpm[\d.]*$/, image: /^php$/, unit: /^php.*fpm/ },

  // Access, mail, names
  { product: 'openssh', executable: /^sshd(-session)?$/, image: /^openssh(-server)?$/, unit: /^sshd?(@|\.service)/ },
  { product: 'dropbear', executable: /^dropbear$/, unit: /^dropbear/ },
  { product: 'postfix', executable: /^(master|smtpd)$/, argv: /postfix/, unit: /^postfix/ },
  { product: 'exim', executable: /^exim4?$/, unit: /^exim/ },
  { product: 'dovecot', executable: /^(dovecot|imap-login|pop3-login)$/, unit: /^dovecot/ },
  { product: 'vsftpd', executable: /^vsftpd$/, unit: /^vsftpd/ },
  { product: 'proftpd', executable: /^proftpd$/, unit: /^proftpd/ },
  { product: 'dnsmasq', executable: /^dnsmasq$/, unit: /^dnsmasq/ },
  { product: 'unbound', executable: /^unbound$/, unit: /^unbound/ },
  { product: 'bind', executable: /^named$/, unit: /^(named|bind9)/ },
  { product: 'pihole', executable: /^pihole-ftl$/, image: /^pihole$/ },
  { product: 'samba', executable: /^(smbd|nmbd)$/, unit: /^(smbd|nmbd|samba)/ },
  { product: 'cups', executable: /^cupsd$/, unit: /^cups/, headers: [['server', /^cups\/([\d.]+)/]] },

  // Observation
  {
    product: 'prometheus',
    executable: /^prometheus$/,
    image: /^prometheus$/,
    unit: /^prometheus\.service/,
    title: /^prometheus time series/,
  },
  {
    product: 'prometheus-node-exporter',
    executable: /^(prometheus-)?node[-_]exporter$/,
    image: /^node-exporter$/,
    unit: /node[-_]exporter/,
    title: /^node exporter/,
  },
  {
    product: 'prometheus-alertmanager',
    executable: /^(prometheus-)?alertmanager$/,
    image: /^alertmanager$/,
    unit: /alertmanager/,
    title: /^alertmanager/,
  },
  {
    product: 'prometheus-blackbox-exporter',
    executable: /^(prometheus-)?blackbox[-_]exporter$/,
    image: /^blackbox-exporter$/,
    unit: /blackbox[-_]exporter/,
  },
  {
    product: 'grafana',
    executable: /^grafana(-server)?$/,
    image: /^grafana(-enterprise|-oss)?$/,
    unit: /^grafana/,
    title: /^grafana$/,
    body: /window\.grafanabootdata|grafana-app/,
  },
  { product: 'loki', executable: /^loki$/, image: /^loki$/ },
  {
    product: 'netdata',
    executable: /^netdata$/,
    image: /^netdata$/,
    headers: [['server', /^netdata(?: embedded http server)?(?: v?([\d.]+))?/]],
  },
  { product: 'uptime-kuma', argv: /uptime-kuma/, image: /^uptime-kuma$/, title: /^uptime kuma/ },

  // Platforms and tools
  { product: 'docker', executable: /^dockerd$/, unit: /^docker\.service/, versionArgs: ['--version'] },
  { product: 'containerd', executable: /^containerd$/, unit: /^containerd/ },
  {
    product: 'docker-registry',
    executable: /^(docker-)?registry$/,
    image: /^registry$/,
    unit: /^docker-registry/,
    headers: [['docker-distribution-api-version', /^registry/]],
  },
  { product: 'consul', executable: /^consul$/, image: /^consul$/, title: /^consul/ },
  { product: 'vault', executable: /^vault$/, image: /^vault$/, title: /^vault$/ },
  { product: 'minio', executable: /^minio$/, image: /^minio$/, headers: [['server', /^minio/]], title: /^minio/ },
  { product: 'gitea', executable: /^gitea$/, image: /^gitea$/, body: /powered by gitea/ },
  { product: 'forgejo', executable: /^forgejo$/, image: /^forgejo$/, body: /powered by forgejo/ },
  { product: 'jenkins', argv: /jenkins\.war/, image: /^jenkins$/, headers: [['x-jenkins', /([\d.]+)/]] },
  { product: 'ollama', executable: /^ollama$/, image: /^ollama$/, unit: /^ollama/, body: /^ollama is running/ },
  { product: 'n8n', argv: /\bn8n\b/, image: /^n8n$/, title: /^n8n/ },
  { product: 'home-assistant', argv: /\bhass\b|homeassistant/, image: /^home-assistant$/, title: /^home assistant/ },
  { product: 'jupyter', argv: /jupyter-(lab|notebook|server)/, image: /jupyter|notebook/, title: /jupyter/ },
  { product: 'mcp-server', argv: /modelcontextprotocol|mcp-server/ },
  {
    product: 'steward',
    argv: /steward(\.js|\/src\/cli\.ts|\/dist\/cli\.js)? serve|steward\/(bin|src)\/\S+ serve/,
    image: /^steward$/,
    unit: /^steward/,
    title: /^steward\b/,
  },

  // Programs that only pass on
  {
    product: 'docker-proxy',
    executable: /^(docker-proxy|rootlesskit|rootlessport|slirp4netns|pasta)$/,
    forwarder: true,
  },
  { product: 'socat', executable: /^socat\d?$/, forwarder: true },
  { product: 'stunnel', executable: /^stunnel\d?$/, forwarder: true, unit: /^stunnel/ },
  { product: 'ssh-tunnel', executable: /^(ssh|autossh)$/, forwarder: true },
  { product: 'kubectl', executable: /^kubectl$/, forwarder: true },
];

/** Programs that run what others wrote: their name says little about the service. */
export const INTERPRETERS: readonly {
  readonly executable: RegExp;
  readonly product: string;
  readonly header: RegExp;
}[] = [
  { executable: /^(node|nodejs|node-v?[\d.]+)$/, product: 'node-app', header: /express|next\.js|koa|fastify|node/ },
  { executable: /^bun$/, product: 'bun-app', header: /bun/ },
  { executable: /^deno$/, product: 'deno-app', header: /deno/ },
  {
    executable: /^python[\d.]*$/,
    product: 'python-app',
    header: /python|werkzeug|gunicorn|uvicorn|tornado|hypercorn|wsgi/,
  },
  { executable: /^ruby[\d.]*$/, product: 'ruby-app', header: /puma|thin|webrick|passenger/ },
  { executable: /^perl[\d.]*$/, product: 'perl-app', header: /mojolicious|perl/ },
  { executable: /^php[\d.]*$/, product: 'php-app', header: /php/ },
  { executable: /^java$/, product: 'java-app', header: /jetty|tomcat|undertow|netty/ },
  { executable: /^dotnet$/, product: 'dotnet-app', header: /kestrel/ },
  { executable: /^beam\.smp$/, product: 'erlang-app', header: /cowboy/ },
  { executable: /^(busybox|ba?sh|dash|zsh|nc(\.\w+)?|ncat|netcat|tcpserver)$/, product: 'script', header: /^$/ },
];

/** Units that belong to the operating system: not services anybody runs this machine for. */
export const OS_UNITS =
  /^(systemd-|dbus|getty|serial-getty|console-getty|container-getty|user@|user-runtime-dir@|init\.|plymouth|udev|kmod|polkit|rtkit|accounts-daemon|apt-|dpkg-|e2scrub|fstrim|logrotate|man-db|modprobe@|networking|NetworkManager|network-|ModemManager|wpa_supplicant|rc-local|rescue|emergency|ifup|blk-availability|lvm2|multipath|mdmonitor|snapd|unattended-upgrades|packagekit|fwupd|udisks2|upower|colord|gdm|lightdm|sddm|alsa|bluetooth|keyboard-setup|console-setup|cron|anacron|atd|rsyslog|syslog|auditd|irqbalance|thermald|acpid|haveged|rng|chrony|ntp|timesyncd|qemu-guest|open-vm-tools|cloud-|google-|amazon-|walinuxagent|ssh@|sshd@|nss-|quota|dm-event|initrd|ldconfig|pam_namespace|proc-|sys-|dev-|dracut|grub|secureboot|rpcbind|nfs-|iscsi|openvpn\.service|autovt@|ondemand|motd|sysstat|smartmontools|smartd|apparmor|ufw|nftables|firewalld|fail2ban|ifupdown|resolvconf|debug-shell|halt|kexec|poweroff|reboot|quotaon|emergency|cryptdisks|hwclock|x11-common|sudo|procps|screen-cleanup|selinux|binfmt)/i;

export function ruleOf(product: string): ProductRule | undefined {
  return PRODUCTS.find((rule) => rule.product === product);
}
