import { Alert, Autocomplete, Button, Group, Stack, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { Refused, wordsOf } from '../../api/refused.ts';
import { useSession } from '../../session/session.tsx';
import { Section } from '../card.tsx';
import { SchemaFields } from '../schema-form/fields.tsx';
import { OFFERING } from '../schema-form/offering.tsx';
import type { Schema } from '../schema-form/schema.ts';
import { useNames } from '../schema-form/use-names.ts';
import { useSchemaForm } from '../schema-form/use-schema-form.ts';
import { Copies } from './copies.tsx';
import { Examples } from './examples.tsx';
import { Planned } from './planned.tsx';
import { look, plan } from './start.ts';
import type { Wanted } from './wanted.ts';

export interface PlanFirstProps {
  readonly automation: {
    readonly name: string;
    readonly effect: 'read' | 'write' | 'destructive';
    readonly anywhere: boolean;
    readonly input: Schema;
    readonly examples: readonly { readonly title: string; readonly input: Readonly<Record<string, unknown>> }[];
  };
  /** What the form begins with. */
  readonly given?: Readonly<Record<string, unknown>>;
}

/** The input of an automation, then its plan, then that very plan applied. */
export function PlanFirst({ automation, given }: PlanFirstProps) {
  const { name, effect } = automation;
  const { may } = useSession();
  const navigate = useNavigate();
  const nodes = useNames('node');
  const form = useSchemaForm(automation.input, given);
  const [reason, setReason] = useState('');
  const [node, setNode] = useState('');
  const [problems, setProblems] = useState<{ readonly top?: string; readonly reason?: string; readonly node?: string }>(
    {},
  );
  const [busy, setBusy] = useState(false);
  const [planned, setPlanned] = useState<{ readonly id: string; readonly wanted: Wanted }>();
  const reads = effect === 'read';
  const allowed = may(reads ? 'read' : 'operate');

  const wanted: Wanted = {
    automation: name,
    input: form.value,
    ...(reason.trim() !== '' && { reason: reason.trim() }),
    ...(node !== '' && { node }),
  };

  async function attempt(event: FormEvent): Promise<void> {
    event.preventDefault();
    setProblems({});
    if (!form.attempt()) return;
    setBusy(true);
    try {
      if (reads) {
        const { id } = await look(wanted);
        await navigate({ to: '/runs/$id', params: { id } });
      } else setPlanned({ id: (await plan(wanted)).id, wanted });
    } catch (refused) {
      show(refused);
    } finally {
      setBusy(false);
    }
  }

  /** What belongs to a field stands beside it, the rest above all. */
  function show(refused: unknown): void {
    const found = refused instanceof Refused ? refused.problems : [];
    const ofInput = found.filter(({ path }) => form.has(path));
    form.refuse(ofInput);
    const at = (path: string): string | undefined => found.find((each) => each.path === path)?.message;
    const [reasonProblem, nodeProblem] = [at('reason'), at('place.node')];
    setProblems({
      ...(ofInput.length < found.length || found.length === 0 ? { top: wordsOf(refused) } : {}),
      ...(reasonProblem !== undefined && { reason: reasonProblem }),
      ...(nodeProblem !== undefined && { node: nodeProblem }),
    });
  }

  if (planned) return <Planned {...planned} back={() => setPlanned(undefined)} />;
  return (
    <>
      <Section
        title={reads ? 'Look' : 'Plan it'}
        actions={<Examples examples={automation.examples} choose={form.fill} />}
      >
        <form onSubmit={(event) => void attempt(event)} noValidate>
          <Stack maw={640}>
            {problems.top !== undefined && (
              <Alert color="red" role="alert">
                {problems.top}
              </Alert>
            )}
            <SchemaFields form={form} />
            {automation.anywhere && nodes.length > 1 && (
              <Autocomplete
                {...OFFERING}
                label="Where"
                description="A node, by name. Left empty, the live one with the least to do."
                value={node}
                onChange={setNode}
                data={nodes.map((each) => each.name)}
                error={problems.node}
              />
            )}
            <TextInput
              label="Why"
              description="It stands in the record."
              value={reason}
              onChange={({ currentTarget }) => setReason(currentTarget.value)}
              maxLength={1_000}
              error={problems.reason}
              autoComplete="off"
            />
            <Group>
              <Button type="submit" loading={busy} disabled={!allowed}>
                {reads ? 'Look now' : 'Show the plan'}
              </Button>
              <span>
                {!allowed
                  ? 'You may look at this, not start it.'
                  : reads
                    ? 'It only looks.'
                    : 'Nothing is changed before you have seen it.'}
              </span>
            </Group>
          </Stack>
        </form>
      </Section>
      <Section title="Copy as">
        {form.valid ? <Copies wanted={wanted} /> : 'What has to be filled in is still missing or wrong.'}
      </Section>
    </>
  );
}
