import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { RateLimitExceededError } from 'cachement';
import { errorResponse } from 'cachement/http';
import type { Response } from 'express';

@Catch(RateLimitExceededError)
export class RefusalFilter implements ExceptionFilter<RateLimitExceededError> {
  catch(error: RateLimitExceededError, host: ArgumentsHost): void {
    const refusal = errorResponse(error)!;
    const response = host.switchToHttp().getResponse<Response>();
    response.status(refusal.status).set(refusal.headers).json(refusal.body);
  }
}
