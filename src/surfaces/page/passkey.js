/** Whether this browser can; whether it may at this address is for the server to say. */
export const knowsPasskeys = () =>
  typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;

export async function answerWithPasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return await asked(() => navigator.credentials.get({ publicKey }));
}

export async function makePasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return await asked(() => navigator.credentials.create({ publicKey }));
}

async function asked(ask) {
  try {
    return (await ask()).toJSON();
  } catch (error) {
    if (error.name === 'InvalidStateError')
      throw new Error('This device has a passkey for you already.', { cause: error });
    // Browsers say the same whether it was declined, took too long, or nothing fits.
    if (error.name === 'NotAllowedError') throw new Error('No passkey was used.', { cause: error });
    throw error;
  }
}
