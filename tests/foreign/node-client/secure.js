// Steps with TLS and users.
import {
  EtcdAuthenticationFailedError, EtcdPermissionDeniedError, EtcdUserExistsError, GRPCUnavailableError, Range,
} from 'etcd3';
import { addresses, again, connect, equal, members, refused, until } from './trial.js';

async function strangers() {
  await connect({ name: 'root' }).put('k').value('x');
  await refused(GRPCUnavailableError, () => connect({ at: addresses.slice(0, 1) }).get('k'));
}

async function users() {
  const client = connect({ name: 'root' });
  for (const user of ['root', 'writer', 'reader']) {
    await client.user(user).create(`${user}-secret`);
    await client.role(user === 'root' ? user : `${user}-role`).create();
  }
  await refused(EtcdUserExistsError, () => client.user('root').create('x'));
  await client.role('writer-role').grant({ permission: 'Readwrite', range: Range.prefix('app/') });
  await client.role('reader-role').grant({ permission: 'Read', range: Range.prefix('app/') });
  for (const user of ['root', 'writer', 'reader']) {
    await client.user(user).addRole(user === 'root' ? user : `${user}-role`);
  }
  const [right] = await client.role('writer-role').permissions();
  equal([right.permission, String(right.range.start), String(right.range.end)], ['Readwrite', 'app/', 'app0'], 'a right');
  await client.auth.authEnable();
}

async function rights() {
  const [writer, reader] = ['writer', 'reader'].map(user => connect({ name: 'nobody', user }));
  const denied = run => refused(EtcdPermissionDeniedError, run);
  await refused(EtcdAuthenticationFailedError, () => connect({ name: 'nobody', user: 'stranger' }).get('app/a'));
  // More than once: the client asks another member each time.
  for (let round = 0; round < 10; round++) {
    await writer.put('app/a').value(round);
    equal(await reader.get('app/a').number(), round, 'a read');
    await denied(() => writer.put('other').value('x'));
    await denied(() => reader.put('app/a').value('x'));
  }
  await denied(() => writer.get('other'));
  await denied(() => writer.delete().prefix('a'));
  await denied(() => writer.user('x').create('x'));
  await denied(() => reader.if('app/a', 'Version', '>', 0).then(reader.put('app/a').value('x')).commit());
  const { header } = await writer.put('app/a').value('seen');
  const watcher = await reader.watch().prefix('app/').startRevision(header.revision).create();
  const events = [];
  watcher.on('put', kv => events.push(kv.value.toString()));
  await until('an event', () => events.length);
  equal(events, ['seen'], 'events');
  await watcher.cancel();
  const lease = writer.lease(60);
  await lease.put('app/leased').value('x');
  await lease.revoke();
  equal(await reader.get('app/leased'), null, 'a key whose lease is revoked');
  await writer.lock('app/lock').do(() => denied(() => reader.delete().key('app/lock')));
  // The name in a certificate is a user too.
  const named = connect({ name: 'writer' });
  await named.put('app/b').value('x');
  await denied(() => named.put('other').value('x'));
  await denied(() => connect({ name: 'nobody' }).get('app/a'));
}

// A token may be lost with its member; the client logs in again by itself.
async function loginAgain() {
  const writer = connect({ name: 'nobody', user: 'writer' });
  await writer.put('app/a').value('before');
  await members('kill-leader');
  if (addresses.length === 1) {
    await members('start');
  }
  await again('a write', () => writer.put('app/a').value('meanwhile'));
  await members('start');
  for (let round = 0; round < 10; round++) {
    equal(await again('a read', () => writer.get('app/a')), 'meanwhile', 'a read');
  }
}

export default {
  'TLS: who shows no certificate stays out': strangers,
  'users: roles, rights, auth enable': users,
  'users: what each may': rights,
  'users: a login outlives its member': loginAgain,
};
