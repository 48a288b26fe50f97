// Preloaded with `node --import`: appends the URL of every module that is resolved from then on to
// the file that IMPORT_LOG names.
import { register } from 'node:module';

const hooks = `
  import { appendFileSync } from 'node:fs';
  let file;
  export function initialize(data) {
    file = data.file;
  }
  export async function resolve(specifier, context, nextResolve) {
    const resolved = await nextResolve(specifier, context);
    appendFileSync(file, resolved.url + '\\n');
    return resolved;
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, {
  data: { file: process.env.IMPORT_LOG },
});
