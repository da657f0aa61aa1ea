import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createServer } from 'node:tls';

/** Accepts TLS on a port of its own, and passes what comes to a server of this machine. */
export interface TlsProxy {
  readonly port: number;
  /** The certificate to trust: for 127.0.0.1, valid until 2126. */
  readonly ca: string;
  stop(): Promise<void>;
}

export async function startTlsProxy(port: number): Promise<TlsProxy> {
  const sockets = new Set<Socket>();
  const server = createServer({ key: KEY, cert: CERTIFICATE }, (client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].forEach((one) => one.destroy()));
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    ca: CERTIFICATE,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Made for these tests: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500`. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgI6Ee/Ue9mQtY1Y80
gdRULA/W3j7jh4pmgglM753o8rKhRANCAAS8EN9c8WGB+jE6YXaTAwwrakYqeNFl
ThXimU9ACVUY5WS+bqzjjQmDBviQlULHZdGdBggs/EUsFmEbX004VMQE
-----END PRIVATE KEY-----
`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUMSJnzi/pFzeAOPzystTVnnZys7gwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODE4NDAxOVoYDzIxMjYxMTA0
MTg0MDE5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS8EN9c8WGB+jE6YXaTAwwrakYqeNFlThXimU9ACVUY5WS+bqzjjQmD
BviQlULHZdGdBggs/EUsFmEbX004VMQEo28wbTAdBgNVHQ4EFgQUsBcrkKxFw8al
5+isCT4e09KYjNswHwYDVR0jBBgwFoAUsBcrkKxFw8al5+isCT4e09KYjNswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSAAwRQIgGk0RVpW846AgDksbF08usnif1skioBsSrfoZoLlgysUCIQDz
yvQ7M8VqG1SMCq1C6yhDCypyL0RkhUgbywZQSqghHA==
-----END CERTIFICATE-----
`;
