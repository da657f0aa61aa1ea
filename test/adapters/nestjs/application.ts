import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { ExecutionContext } from 'ava';

export const PLATFORMS = ['express', 'fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** A NestJS application that listens. */
export interface Served {
  readonly app: INestApplication;
  get(path: string): Promise<Response>;
}

/** Starts an application with one root module, and closes it when the test ends. */
export async function serve(
  t: ExecutionContext,
  root: ModuleMetadata | (new () => object),
  platform: Platform = 'express',
): Promise<Served> {
  const app = await created(root, platform);
  t.teardown(() => app.close());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return { app, get: (path) => fetch(url + path) };
}

export function created(
  root: ModuleMetadata | (new () => object),
  platform: Platform = 'express',
): Promise<INestApplication> {
  const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const module = typeof root === 'function' ? root : moduleOf(root);
  return NestFactory.create(module, adapter, { logger: false, abortOnError: false });
}

/** A module class. */
export function moduleOf(metadata: ModuleMetadata): new () => object {
  class AnyModule {}
  Module(metadata)(AnyModule);
  return AnyModule;
}
