/** The guards of pub/sub. See cache.js for the format. */
const VERBS = 'test/messages/pubsub.test.ts';
const REDIS = 'test/adapters/ioredis/messages/message-bus.test.ts';
const PUBLISHES = 'test/decorators/publishes.test.ts';
const SUBSCRIBES = 'test/decorators/subscribes.test.ts';

export const pubsubMutations = [
  // --- what is sent, and what a handler gets ---------------------------------------------------------------------------
  {
    guard: 'refused-message-is-not-sent',
    replace: 'definition, this',
    by: 'Object.assign(Object.create(definition), { schema: undefined }), this',
    test: VERBS,
    title: 'publish refuses what the schema rejects*',
  },
  {
    guard: 'placeholder-is-one-part-of-a-name',
    replace: 'this.#names.test(channel)',
    by: 'true',
    test: VERBS,
    title: 'a channel with placeholders is named by the message*',
  },
  {
    guard: 'waiting-messages-are-bounded',
    test: VERBS,
    title: 'of more messages than maxQueue,*',
  },
  {
    guard: 'error-of-a-handler-is-an-event',
    test: VERBS,
    title: 'what a handler throws, rejects or never finishes does not stop another one',
  },
  {
    guard: 'handlers-run-in-no-request',
    replace: 'AsyncLocalStorage.snapshot()',
    by: '<T>(work: () => T): T => (AsyncLocalStorage, work())',
    test: VERBS,
    title: 'a handler runs in no context*',
  },
  {
    guard: 'loss-concerns-those-who-received-before',
    replace: 'this.#hasReceived',
    by: 'true',
    test: VERBS,
    title: 'a lost connection is said with its times to each handler that received before',
  },
  {
    guard: 'received-messages-are-handled-before-the-end',
    replace: 'drainTimeout',
    by: '0 * drainTimeout',
    test: VERBS,
    title: 'close waits for handlers up to drainTimeout*',
  },
  {
    guard: 'handlers-of-messages-end-before-the-engines',
    replace: 'await ',
    by: 'void ',
    test: VERBS,
    title: 'handlers that end within close() still have the cache',
  },
  {
    guard: 'failed-message-does-not-fail-the-call',
    replace: "onFailure === 'throw'",
    by: 'onFailure',
    test: PUBLISHES,
    title: 'a message that cannot be made or is rejected does not fail the call*',
  },
  {
    guard: 'instance-works-once',
    test: SUBSCRIBES,
    title: 'an instance is subscribed once for a Caching, and again after its end',
  },
  {
    guard: 'one-instance-of-a-class-works',
    test: SUBSCRIBES,
    title: 'bindCaching subscribes the first instance of a class, and warns of a second one',
  },
  // --- Redis -----------------------------------------------------------------------------------------------------------
  {
    guard: 'messages-of-a-channel-take-one-way',
    replace: 'keys: [key]',
    by: 'keys: [key + Math.random()]',
    test: REDIS,
    title: 'in a Cluster, all messages of a channel are published by one node*',
  },
  {
    guard: 'gap-begins-with-the-last-confirmed-message',
    replace: 'Math.max(confirmedAt, this.#since)',
    by: 'Math.max(confirmedAt, this.#clock.now())',
    test: REDIS,
    title: 'a half-open connection is replaced*',
  },
  {
    guard: 'messages-follow-the-master',
    test: REDIS,
    title: 'when the connection for commands is made again, that for messages is too*',
  },
  {
    guard: 'one-refused-channel-does-not-end-the-others',
    test: REDIS,
    title: 'a channel that the server refuses is said, and does not end the others',
  },
  {
    guard: 'gap-of-a-moved-channel-begins-with-the-old-table',
    replace: 'this.#slotsReadAt',
    by: 'Infinity',
    test: REDIS,
    title: 'a sharded channel whose move nobody reports*',
  },
  {
    guard: 'ended-subscription-is-made-again',
    test: REDIS,
    title: 'a sharded channel that leaves its master and comes back*',
  },
];
