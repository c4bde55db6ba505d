/** From the least severe on. */
export const LOG_LEVELS = ['debug', 'info', 'warning', 'error'] as const;
