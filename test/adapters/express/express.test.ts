import { responseCacheContract } from '../http/response-cache-contract.js';

responseCacheContract('express', {
  etag: {
    pattern: /^W\/".+"$/,
    reason: 'Express itself sets a weak ETag (app.set("etag")), which counts as the own one',
  },
});
