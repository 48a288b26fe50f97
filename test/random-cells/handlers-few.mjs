// The handlers of a replica that lacks one of them.
import all from './handlers.mjs';

export default { effect: all.effect, probe: all.probe };
