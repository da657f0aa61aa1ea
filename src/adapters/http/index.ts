export { clientIp, type ClientIpOptions, type RequestWithAddress } from './client-ip.js';
export { ipKey, type IpKeyOptions } from './ip-key.js';
export { rateLimitHeaders, type RateLimitHeadersOptions } from './rate-limit-headers.js';
export { errorResponse, type ErrorResponse, type ErrorResponseOptions } from './error-response.js';
export { invalidationRoute, type InvalidationRouteOptions } from './invalidation-route.js';
