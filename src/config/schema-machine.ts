import { z } from 'zod';

const percent = z.number().min(1).max(100);

export const Machine = z
  .strictObject({
    watch: z.boolean().default(true).describe('Whether the machine itself is watched: memory, load, disks, inodes.'),
    memory: percent.default(80).describe('Percent of memory in use above which the machine is degraded.'),
    disk: percent.default(85).describe('Percent of a disk in use above which the machine is degraded.'),
    inodes: percent.default(85).describe('Percent of the inodes of a disk in use above which the machine is degraded.'),
    load: z
      .number()
      .min(0.1)
      .max(1000)
      .default(1.5)
      .describe('Average load of five minutes, for each core, above which the machine is degraded.'),
    heal: percent
      .default(90)
      .describe('Percent of memory, disk or inodes above which healing has to act; never below the warning.'),
  })
  .describe('How much of this machine may be in use.');
