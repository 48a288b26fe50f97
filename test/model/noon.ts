/** When everything is recorded: time is modelled apart. */
export const NOON = '2030-01-01T12:00:00.000000Z';
