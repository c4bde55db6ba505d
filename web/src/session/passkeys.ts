/** Whether this browser can; whether it may at this address is for the server to say. */
export const knowsPasskeys = (): boolean =>
  typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;

export async function answerWithPasskey(options: object): Promise<Record<string, unknown>> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
  return await asked(() => navigator.credentials.get({ publicKey }));
}

export async function makePasskey(options: object): Promise<Record<string, unknown>> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON);
  return await asked(() => navigator.credentials.create({ publicKey }));
}

async function asked(ask: () => Promise<Credential | null>): Promise<Record<string, unknown>> {
  try {
    const credential = (await ask()) as PublicKeyCredential | null;
    if (!credential) throw new Error('No passkey was used.');
    return { ...credential.toJSON() };
  } catch (error) {
    const name = error instanceof DOMException ? error.name : '';
    if (name === 'InvalidStateError') throw new Error('This device has a passkey for you already.', { cause: error });
    // Browsers say the same whether it was declined, took too long, or nothing fits.
    if (name === 'NotAllowedError') throw new Error('No passkey was used.', { cause: error });
    throw error;
  }
}
