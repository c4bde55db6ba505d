import { ShownOnce } from '../../parts/shown-once.tsx';

interface SigningSecretProps {
  readonly endpoint: { readonly name: string; readonly secret: string } | undefined;
  readonly done: () => void;
}

export function SigningSecret({ endpoint, done }: SigningSecretProps) {
  return (
    <ShownOnce
      title={`The signing secret of ${endpoint?.name ?? ''}`}
      text="It is shown once. Its receiver verifies with it that what comes is from this Steward."
      secret={endpoint?.secret}
      done={done}
    />
  );
}
