/** The time zone in which this browser is: `Europe/Berlin`. */
export const HERE = new Intl.DateTimeFormat().resolvedOptions().timeZone;
