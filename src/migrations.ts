import { familyMigrations } from './engine/families.ts';
import { engineMigrations } from './engine/tables.ts';
import type { Migration } from './store/migrator.ts';
import { backupMigrations } from './systems/backups/index.ts';
import { alertingMigrations } from './systems/alerting/tables.ts';
import { auditMigrations } from './systems/audit/tables.ts';
import { checklistMigrations } from './systems/checklists/index.ts';
import { databaseMigrations } from './systems/databases/index.ts';
import { endpointMigrations } from './systems/endpoints/index.ts';
import { gatewayMigrations } from './systems/gateway/index.ts';
import { heartbeatMigrations } from './systems/heartbeats/index.ts';
import { healingMigrations } from './systems/healing/index.ts';
import { identityMigrations } from './systems/identity/tables.ts';
import { incidentsMigrations } from './systems/incidents/index.ts';
import { inventoryMigrations } from './systems/inventory/tables.ts';
import { maintenanceMigrations } from './systems/maintenance/index.ts';
import { metricMigrations } from './systems/metrics/index.ts';
import { monitoringMigrations } from './systems/monitoring/tables.ts';
import { placeMigrations } from './systems/probes/index.ts';
import { recipesMigrations } from './systems/recipes/tables.ts';
import { reportsMigrations } from './systems/reports/index.ts';
import { webhookMigrations } from './systems/webhooks/index.ts';
import { securityMigrations } from './systems/security/tables.ts';

/** Everybody's migrations, in the order to apply them. Never reordered: the order is part of what was applied. */
export const MIGRATIONS: readonly Migration[] = [
  ...auditMigrations,
  ...identityMigrations,
  ...inventoryMigrations,
  ...engineMigrations,
  ...monitoringMigrations,
  ...incidentsMigrations,
  ...healingMigrations,
  ...alertingMigrations,
  ...recipesMigrations,
  ...familyMigrations,
  ...securityMigrations,
  ...maintenanceMigrations,
  ...heartbeatMigrations,
  ...reportsMigrations,
  ...backupMigrations,
  ...databaseMigrations,
  ...metricMigrations,
  ...webhookMigrations,
  ...checklistMigrations,
  ...endpointMigrations,
  ...placeMigrations,
  ...gatewayMigrations,
];
