import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { Ago } from '../../parts/ago.tsx';
import { Row } from '../../parts/card.tsx';
import { sizeOf, tookOf } from '../../parts/length.ts';
import { State } from '../../parts/state.tsx';

export type Copy = Answer<'/api/v1/backup-history'>['items'][number];

/** What is known of it in one word: a copy counts when it was restored. */
export function standingOf({
  status,
  fault,
  provenAt,
  unsure,
}: Pick<Copy, 'status' | 'fault' | 'provenAt' | 'unsure'>): string {
  if (status !== 'complete') return status;
  if (fault !== undefined) return 'unsound';
  if (provenAt === undefined) return 'unproven';
  return unsure === undefined ? 'proven' : 'partly';
}

export function CopyRow({ copy }: { readonly copy: Copy }) {
  const { id, source, repository, startedAt, snapshotAt, bytes, restoreSeconds, fault, obstacle, error, unsure } = copy;
  return (
    <Row>
      <Link to="/backups/$source/$copy" params={{ source, copy: id }} className="quiet-link">
        {new Date(snapshotAt ?? startedAt).toLocaleString()}
      </Link>
      <State word={standingOf(copy)} />
      <Text size="sm" c="dimmed" className="grow">
        in {repository}
        {bytes !== undefined && `, ${sizeOf(bytes)}`}
        {restoreSeconds !== undefined && `, restored in ${tookOf(restoreSeconds * 1_000)}`}
        {unsure && `, but for ${unsure.count} that could not be compared, as ${unsure.first[0]}`}
        {[error, fault, obstacle].map((why) => why !== undefined && `. ${why}`)}
      </Text>
      <Text size="sm" c="dimmed">
        <Ago at={startedAt} />
      </Text>
    </Row>
  );
}
