import { Button, type ButtonProps } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { ReactNode } from 'react';
import { useAnswer } from '../api/use-answer.ts';
import { canUsePasskey, type Proof, proveByPasskey } from '../session/proof.ts';
import { Ask, type Fields } from './ask.tsx';
import { ProofFields } from './proof-fields.tsx';

interface ProvenProps extends Pick<ButtonProps, 'size' | 'variant'> {
  /** On the button that opens the window. */
  readonly label: string;
  /** What is said of it to whoever listens, where several are called alike. */
  readonly describedAs?: string;
  readonly title: string;
  readonly text?: ReactNode;
  readonly button: string;
  readonly danger?: boolean;
  /** What a passkey confirms, as the operation names it. */
  readonly purpose: string | ((fields: Fields) => string);
  /** Undefined where there is nothing that the person could prove it by: the server decides. */
  readonly act: (fields: Fields, proof: Proof | undefined) => Promise<unknown>;
  readonly children?: ReactNode;
}

/** Does something that takes proof: the password, with a code where one is needed, or a passkey. */
export function Proven(props: ProvenProps) {
  const { label, describedAs, title, text, button, danger, purpose, act, children, size, variant = 'default' } = props;
  const [opened, { open, close }] = useDisclosure();
  const account = useAnswer('/api/v1/account').data?.account;
  const byPasskey = canUsePasskey(account);

  return (
    <>
      <Button
        variant={variant}
        {...(size !== undefined && { size })}
        {...(describedAs !== undefined && { 'aria-label': describedAs })}
        onClick={open}
      >
        {label}
      </Button>
      <Ask
        title={title}
        text={text}
        button={account?.password === false && byPasskey ? undefined : button}
        danger={danger === true}
        opened={opened}
        close={close}
        submit={({ password, code, ...fields }) =>
          act(fields, password === undefined ? undefined : { password, ...(code !== undefined && { code }) })
        }
        alternative={
          byPasskey
            ? {
                label: 'Use a passkey',
                without: ['password', 'code'],
                submit: async ({ password: _password, code: _code, ...fields }) =>
                  await act(fields, await proveByPasskey(typeof purpose === 'string' ? purpose : purpose(fields))),
              }
            : undefined
        }
      >
        {children}
        <ProofFields account={account} />
      </Ask>
    </>
  );
}
