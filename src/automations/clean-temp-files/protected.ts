import { QUARANTINE_FOLDER } from '../../core/quarantine.ts';

/** Names in a folder for temporary files that mean something while nobody looks at them. */
const PROTECTED: readonly RegExp[] = [
  /^\.(X11|ICE|XIM|font|Test)-unix$/,
  /^\.X\d+-lock$/,
  /^systemd-private-/,
  /^snap(-private-tmp|\.)/,
  /^(ssh|tmux|screen|dbus|pulse|gpg|keyring|vscode|agent)-/,
  /^lost\+found$/,
  /^steward/,
];

export function isProtected(name: string, more: readonly string[]): boolean {
  return name === QUARANTINE_FOLDER || more.includes(name) || PROTECTED.some((pattern) => pattern.test(name));
}
