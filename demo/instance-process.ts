import 'reflect-metadata';
import { ioredis } from 'cachement/ioredis';
import { Redis } from 'ioredis';
import { connect } from './calls.js';
import type { CityDatabase } from './city-database.js';
import { startInstance } from './instance.js';
import { plainRedis } from './naive-cities.js';

/** One instance in a process of its own. The process that started it plays the database. */
const [, , redisUrl = '', namespace = ''] = process.argv;
const instance = {};
const database = connect<CityDatabase>(process, instance);
const redis = new Redis(redisUrl);
redis.on('error', () => {});
const plain = plainRedis(redis, `${namespace}-naive`);
Object.assign(instance, await startInstance({ adapter: ioredis(redisUrl), namespace, plain, database }));
process.on('disconnect', () => process.exit());
process.send?.('ready');
