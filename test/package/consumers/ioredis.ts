import { Caching } from 'cachement';
import { ioredis } from 'cachement/ioredis';
import { Cluster, Redis } from 'ioredis';

// Nothing listens on port 1, and nothing needs to: what is shown is that types and imports fit the installed ioredis.
const client = new Redis({ host: '127.0.0.1', port: 1, lazyConnect: true });
const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
export const adapters = [
  ioredis('redis://127.0.0.1:1'),
  ioredis({ host: '127.0.0.1', port: 1 }),
  ioredis(client),
  ioredis(cluster),
];
export type Adapters = ConstructorParameters<typeof Caching>[0]['adapter'];

client.disconnect();
cluster.disconnect();
const names = new Set(adapters.map((adapter: Adapters) => adapter.name));
console.log(`adapters: ${adapters.length} of ${[...names].join()}`);
