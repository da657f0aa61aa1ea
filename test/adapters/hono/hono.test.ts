import { responseCacheContract } from '../http/response-cache-contract.js';

responseCacheContract('hono');
