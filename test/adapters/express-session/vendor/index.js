// Not vendored: what the suite calls `..` is express-session with our store in place of its MemoryStore.
'use strict';

const session = require('express-session');

// Set by run-suite.ts. Each call makes a store without any sessions.
const createStore = globalThis.createSessionStore;

module.exports = Object.assign((options) => session({ store: createStore(), ...options }), session, {
  MemoryStore: function MemoryStore() {
    return createStore();
  },
});
