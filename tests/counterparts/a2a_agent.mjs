// An agent on the server of @a2a-js/sdk. What it is told first decides what it does:
//   fail, reject     its task ends so
//   ask              it wants to know something, and goes on with the answer
//   wait             it is at work until it is cancelled
//   json             it answers with data
//   pieces           it answers with text in several pieces
//   nothing          it completes without an artifact
//   message          it answers without a task
// anything else is approved. GET /tasks tells how each task ended or stands.
import express from 'express';
import { A2A_PROTOCOL_VERSION, AGENT_CARD_PATH, Role, TaskState } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server';
import { UserBuilder, agentCardHandler, jsonRpcHandler, restHandler } from '@a2a-js/sdk/server/express';

const at = `http://127.0.0.1:${process.env.PORT}`;
const states = {};
const heard = [];
const waiting = new Map();

const part = ($case, value, mediaType) => ({ content: { $case, value }, metadata: undefined, filename: '', mediaType });
const text = (value) => part('text', value, 'text/plain');
const reach = (path, protocolBinding) => ({ url: at + path, protocolBinding, tenant: '', protocolVersion: A2A_PROTOCOL_VERSION });

const card = {
  name: 'Reviewer', description: 'reviews what it is given', version: '1.0.0', provider: undefined,
  supportedInterfaces: [reach('/rpc', 'JSONRPC'), reach('/rest', 'HTTP+JSON')],
  capabilities: { streaming: true, pushNotifications: false, extensions: [], extendedAgentCard: false },
  securitySchemes: {}, securityRequirements: [], documentationUrl: '', signatures: [],
  defaultInputModes: ['text/plain', 'application/json'], defaultOutputModes: ['text/plain', 'application/json'],
  skills: [{ id: 'review plan', name: 'Review', description: 'reviews a plan', tags: ['legal'], examples: [],
             inputModes: [], outputModes: [], securityRequirements: [] }],
};

const executor = {
  async cancelTask(id) { waiting.get(id)?.(); },
  async execute({ taskId, contextId, userMessage, task }, bus) {
    const said = userMessage.parts.map((one) => one.content.$case === 'text' ? one.content.value : JSON.stringify(one.content.value)).join(' ');
    heard.push({ taskId, messageId: userMessage.messageId, said, kinds: userMessage.parts.map((one) => one.content.$case) });
    const from = (parts) => ({ role: Role.ROLE_AGENT, messageId: crypto.randomUUID(), parts, taskId, contextId,
                               extensions: [], metadata: {}, referenceTaskIds: [] });
    const stands = (state, words) => {
      states[taskId] = state;
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, metadata: {}, status: {
        state, timestamp: new Date().toISOString(), message: words === undefined ? undefined : from([text(words)]) } }));
    };
    const piece = (parts, append = false, lastChunk = true) => bus.publish(AgentEvent.artifactUpdate({
      taskId, contextId, append, lastChunk, metadata: {},
      artifact: { artifactId: 'answer', name: 'answer', description: '', parts, metadata: {}, extensions: [] } }));

    if (said.startsWith('message')) {
      bus.publish(AgentEvent.message({ ...from([text('no task is needed')]), taskId: '' }));
      return;
    }
    bus.publish(AgentEvent.task(task ?? { id: taskId, contextId, artifacts: [], history: [userMessage], metadata: {},
      status: { state: TaskState.TASK_STATE_SUBMITTED, timestamp: new Date().toISOString(), message: undefined } }));
    stands(TaskState.TASK_STATE_WORKING, task ? undefined : 'reading');
    if (said.startsWith('fail')) return stands(TaskState.TASK_STATE_FAILED, 'cannot do [/red] it');
    if (said.startsWith('reject')) return stands(TaskState.TASK_STATE_REJECTED, 'will not do it');
    if (said.startsWith('ask')) return stands(TaskState.TASK_STATE_INPUT_REQUIRED, 'which ${inputs.x} environment?');
    if (said.startsWith('wait')) {
      await new Promise((done) => waiting.set(taskId, done));
      return stands(TaskState.TASK_STATE_CANCELED);
    }
    if (said.startsWith('nothing')) return stands(TaskState.TASK_STATE_COMPLETED);
    if (said.startsWith('pieces')) for (const [n, one] of ['one ', 'two ', 'three'].entries()) piece([text(one)], n > 0, n === 2);
    else if (said.startsWith('json')) piece([text('as data'), part('data', { approved: true, score: 3, given: said }, 'application/json')]);
    else piece([text(`approved: ${said}`)]);
    stands(TaskState.TASK_STATE_COMPLETED);
  },
};

const agent = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
const everybody = { requestHandler: agent, userBuilder: UserBuilder.noAuthentication };
const app = express();
app.get('/tasks', (_, answer) => answer.json(Object.fromEntries(Object.entries(states).map(([id, state]) => [id, TaskState[state]]))));
app.get('/heard', (_, answer) => answer.json(heard));
app.use(`/${AGENT_CARD_PATH}`, agentCardHandler({ agentCardProvider: agent }));
app.use('/rpc', jsonRpcHandler(everybody));
app.use('/rest', restHandler(everybody));
app.listen(process.env.PORT, '127.0.0.1');
