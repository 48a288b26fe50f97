import { sameJson, type Json } from '../../src/json.ts';
import type { StartMessage } from '../../src/request/messages.ts';
import { completeInputs, inputProblemsText } from '../../src/runbook/inputs.ts';
import { noRunbook } from '../../src/runbook/no-runbook.ts';
import { reservedCellId } from '../../src/runbook/undo.ts';
import type { Log } from '../log/log.ts';
import { errorReply } from './operations.ts';

/**
 * Answers `start`: pins an instance to a runbook version, with the defaults of its inputs.
 *
 * @param look called with an unattended instance: it can go on
 */
export async function startInstance(
  log: Log,
  message: StartMessage,
  look: (instanceId: string) => void,
): Promise<Json> {
  const { instanceId, runbookId, inputs: given, agentId, unattended = false } = message;
  const runbook = await log.runbook(runbookId, message.version);
  if (runbook === undefined) {
    return errorReply({
      code: 'not_found',
      message: `runbookId: ${noRunbook(runbookId, message.version, await log.runbooks())}`,
      field: 'runbookId',
    });
  }
  const existing = await log.instance(instanceId);
  const reserved = existing === undefined ? reservedCellId(runbook.cells) : undefined;
  if (reserved !== undefined) {
    const text =
      `runbookId: ${runbookId} version ${runbook.version} cannot run: the id ${reserved} begins ` +
      'with undo-, which names what undoes a cell; push a version that names the cell otherwise';
    return errorReply({ code: 'invalid', message: text, field: 'runbookId' });
  }
  const version = message.version ?? existing?.version ?? runbook.version;
  // An instance stays on its version, and so on the defaults of that version.
  const pinned =
    existing?.runbookId === runbookId && version !== runbook.version
      ? await log.runbook(runbookId, version)
      : runbook;
  const completed = completeInputs((pinned ?? runbook).inputs, given);
  if (!completed.ok && existing === undefined) {
    return errorReply({
      code: 'invalid',
      message: inputProblemsText(completed.problems),
      field: completed.problems[0]?.field ?? 'inputs',
    });
  }
  // Inputs that do not fit differ from those that were stored.
  const inputs = completed.ok ? completed.inputs : given;
  const { instance, created } = await log.startInstance({
    instanceId,
    runbookId,
    version,
    inputs,
    agentId,
    unattended,
  });
  if (created && unattended) look(instanceId);
  const isUnattended = instance.unattended === true;
  const same =
    created ||
    (instance.runbookId === runbookId &&
      instance.version === version &&
      isUnattended === unattended &&
      sameJson(instance.inputs, inputs));
  if (!same) {
    return errorReply({
      code: 'conflict',
      message: `instance ${instanceId} exists with other content: ${instance.runbookId} version ${instance.version}${isUnattended === unattended ? '' : isUnattended ? ', unattended' : ', attended'}`,
      field: 'instanceId',
    });
  }
  return { instanceId, runbookId, version: instance.version, created };
}
