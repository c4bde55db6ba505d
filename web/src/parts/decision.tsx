import { Button, Group, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { wordsOf } from '../api/refused.ts';
import { useAnswer } from '../api/use-answer.ts';
import { canUsePasskey, proveByPasskey } from '../session/proof.ts';
import { useSession } from '../session/session.tsx';
import { Ask } from './ask.tsx';
import type { Run } from './plan.tsx';
import { ProofFields } from './proof-fields.tsx';
import { useCommand } from './use-command.ts';

/** Approve or reject the very plan that is shown. What destroys takes the password or a passkey. */
export function Decision({ run }: { readonly run: Run }) {
  const { me, may } = useSession();
  const path = { id: run.id };
  const approve = useCommand('/api/v1/runs/{id}/approve', { done: `Approved: ${run.automation}` });
  const planHash = run.planHash ?? '';
  const destroys = run.effect === 'destructive';

  if (!me.signedIn || !may('operate') || me.role === 'agent') return undefined;
  if (destroys && !may('destroy'))
    return (
      <Group>
        <Text c="dimmed">Approving what destroys takes an administrator.</Text>
        <Reject run={run} />
      </Group>
    );
  return (
    <Group gap="xs">
      {destroys ? (
        <ApproveProven run={run} planHash={planHash} />
      ) : (
        <Button loading={approve.isPending} onClick={() => approve.mutate({ path, body: { planHash } })}>
          Approve this plan
        </Button>
      )}
      <Reject run={run} />
    </Group>
  );
}

function ApproveProven({ run, planHash }: { readonly run: Run; readonly planHash: string }) {
  const [opened, { open, close }] = useDisclosure();
  const account = useAnswer('/api/v1/account').data?.account;
  const approve = useCommand('/api/v1/runs/{id}/approve', { done: `Approved: ${run.automation}`, quiet: true });
  const loud = useCommand('/api/v1/runs/{id}/approve', { done: `Approved: ${run.automation}` });
  const path = { id: run.id };
  const byPasskey = canUsePasskey(account);

  async function withPasskey(): Promise<void> {
    try {
      const proof = await proveByPasskey(`approve:${run.id}:${planHash}`);
      loud.mutate({ path, body: { planHash, proof } });
    } catch (refused) {
      notifications.show({ message: wordsOf(refused), color: 'red' });
    }
  }

  return (
    <>
      {byPasskey && (
        <Button color="red" loading={loud.isPending} onClick={() => void withPasskey()}>
          Approve with a passkey
        </Button>
      )}
      {account?.password !== false && (
        <Button color="red" variant={byPasskey ? 'default' : 'filled'} onClick={open}>
          Approve this plan…
        </Button>
      )}
      <Ask
        title={`Approve ${run.automation}?`}
        text="It destroys. Show once more that it is you."
        button="Approve this plan"
        danger
        opened={opened}
        close={close}
        submit={({ password = '', code }) =>
          approve.mutateAsync({ path, body: { planHash, proof: { password, ...(code && { code }) } } })
        }
      >
        <ProofFields account={account} />
      </Ask>
    </>
  );
}

function Reject({ run }: { readonly run: Run }) {
  const [opened, { open, close }] = useDisclosure();
  const reject = useCommand('/api/v1/runs/{id}/reject', { quiet: true });
  return (
    <>
      <Button variant="default" onClick={open}>
        Reject…
      </Button>
      <Ask
        title={`Reject ${run.automation}?`}
        text="Nothing is changed. Whoever asked sees the reason."
        button="Reject"
        opened={opened}
        close={close}
        submit={({ reason = '' }) => reject.mutateAsync({ path: { id: run.id }, body: { reason } })}
      >
        <TextInput name="reason" label="Why" maxLength={500} required />
      </Ask>
    </>
  );
}
