// Steps in plain text.
import { EtcdLeaseInvalidError, EtcdLockFailedError } from 'etcd3';
import { addresses, again, connect, equal, members, refused, until, want } from './trial.js';

async function keys() {
  const client = connect();
  const first = await client.put('k/a').value('1');
  const before = await client.put('k/a').value('2').getPrevious();
  equal(before.value.toString(), '1', 'the version before');
  for (const key of ['c', 'b', 'd']) {
    await client.put(`k/${key}`).value(key.toUpperCase());
  }
  const [kv] = (await client.get('k/a').exec()).kvs;
  equal([kv.value.toString(), kv.version, kv.create_revision], ['2', '2', first.header.revision], 'a key');
  equal(await client.get('k/none'), null, 'a key that is not there');
  equal(await client.get('k/a').revision(first.header.revision).string(), '1', 'an old revision');
  const all = client.getAll().prefix('k/');
  equal(await all.strings(), { 'k/a': '2', 'k/b': 'B', 'k/c': 'C', 'k/d': 'D' }, 'a prefix');
  equal(await all.count(), 4, 'a count');
  equal(await client.getAll().prefix('k/').sort('Create', 'Descend').limit(3).keys(), ['k/d', 'k/b', 'k/c'], 'an order');
  equal(await client.getAll().inRange({ start: 'k/b', end: 'k/d' }).keys(), ['k/b', 'k/c'], 'a range');
  equal(await client.namespace('k/').get('b').string(), 'B', 'a namespace');
  const gone = await client.delete().key('k/b').getPrevious();
  equal(gone.map(kv => kv.value.toString()), ['B'], 'the deleted version');
  equal((await client.delete().key('k/b')).deleted, '0', 'a second delete');
  const last = await client.delete().prefix('k/');
  equal(last.deleted, '3', 'a prefix that is deleted');
  equal(await client.getAll().prefix('k/').keys(), [], 'what is left');
  await client.kv.compact({ revision: last.header.revision });
  await refused('has been compacted', () => client.get('k/a').revision(first.header.revision));
  await refused('key is not provided', () => client.put('').value('x'));
}

async function transactions() {
  const client = connect();
  await client.put('t/a').value('5');
  const done = await client
    .if('t/a', 'Value', '==', '5')
    .and('t/a', 'Version', '>', 0)
    .and('t/none', 'Create', '==', 0)
    .and('t/a', 'Mod', '!=', 1)
    .then(client.put('t/b').value('x'), client.get('t/a'), client.delete().key('t/a'))
    .else(client.put('t/wrong').value('x'))
    .commit();
  want(done.succeeded, done);
  equal(done.responses[1].response_range.kvs[0].value.toString(), '5', 'a read');
  const other = await client
    .if('t/b', 'Value', '==', 'y')
    .then(client.put('t/wrong').value('x'))
    .else(client.get('t/b'), client.put('t/c').value('z'))
    .commit();
  want(!other.succeeded, other);
  equal(await client.getAll().prefix('t/').strings(), { 't/b': 'x', 't/c': 'z' }, 'what is written');
  // Ten at once count up; each tries again when another was first.
  await client.put('t/count').value('0');
  const count = () =>
    client.stm({ retries: 100 }).transact(async tx => tx.put('t/count').value((await tx.get('t/count').number()) + 1));
  await Promise.all(Array.from({ length: 10 }, count));
  equal(await client.get('t/count').number(), 10, 'a counter');
}

// One watch on each member and one on all of them see each write once and in order, over a kill of the leader. The client itself goes on
// behind the last event when the connection ends.
async function watch() {
  const writes = 60;
  const client = connect();
  const begin = Number((await client.put('w/begin').value('')).header.revision) + 1;
  const watches = [];
  for (const at of [...addresses.map(address => [address]), addresses]) {
    const watcher = await connect({ at }).watch().prefix('w/k').startRevision(begin).create();
    const seen = { at, watcher, events: [], failure: undefined };
    watcher.on('put', kv => seen.events.push([kv.mod_revision, kv.value.toString()]));
    watcher.on('error', error => (seen.failure = error));
    watches.push(seen);
  }
  const wanted = [];
  for (let number = 0; number < writes; number++) {
    if (number === 20) {
      await members('kill-leader');
      if (addresses.length === 1) {
        await members('start');
      }
    }
    if (number === 40) {
      await members('start');
    }
    // A write whose member died may have happened, so it is made only if it has not.
    const [key, value] = [`w/k${number % 3}`, String(number)];
    await again('a write', () => client.if(key, 'Value', '==', value).else(client.put(key).value(value)).commit());
    wanted.push([(await again('a read', () => client.get(key).exec())).kvs[0].mod_revision, value]);
  }
  for (const seen of watches) {
    await until(`${writes} events`, () => seen.failure || seen.events.length >= writes);
    want(!seen.failure, 'a watch ends with', String(seen.failure));
    equal(seen.events, wanted, `events of ${seen.at}`);
    await seen.watcher.cancel();
  }
}

async function leases() {
  const client = connect();
  const [kept, over, revoked] = [client.lease(2), client.lease(2, { autoKeepAlive: false }), client.lease(60)];
  let renewals = 0;
  kept.on('keepaliveSucceeded', () => renewals++);
  for (const [name, lease] of Object.entries({ kept, over, revoked })) {
    await lease.put(`l/${name}`).value('x');
  }
  const left = await client.leaseClient.leaseTimeToLive({ ID: await revoked.grant(), keys: true });
  equal([left.grantedTTL, left.keys.map(String)], ['60', ['l/revoked']], 'a lease');
  await revoked.revoke();
  equal(await client.get('l/revoked'), null, 'a key whose lease is revoked');
  await until('a lease ends', async () => (await client.get('l/over')) === null);
  await until('renewals', () => renewals >= 3);
  equal(await client.get('l/kept'), 'x', 'a key whose lease is kept');
  await refused(EtcdLeaseInvalidError, () => over.keepaliveOnce());
  await refused(EtcdLeaseInvalidError, () => over.put('l/over').value('x'));
  await kept.revoke();
}

// Eight count up under a lock.
async function lock() {
  const client = connect();
  await client.put('count').value(0);
  const count = async () => {
    const mine = connect();
    const add = async () => mine.put('count').value((await mine.get('count').number()) + 1);
    await until('a lock is had', () => mine.lock('one').ttl(20).do(add).then(() => true, error => {
      want(error instanceof EtcdLockFailedError, 'a lock is refused:', String(error));
      return false;
    }));
  };
  await Promise.all(Array.from({ length: 8 }, count));
  equal(await client.get('count').number(), 8, 'a counter');
}

// Two stand for one office over a kill of the leader; the second has it when the first resigns.
async function election() {
  const [one, two, witness] = [connect(), connect(), connect()].map(client => client.election('office', 30));
  const first = one.campaign('first');
  await first.wait();
  const second = two.campaign('second');
  let elected = false;
  const waiting = second.wait().then(() => (elected = true));
  const observer = await witness.observe();
  const seen = [];
  observer.on('change', leader => seen.push(leader));
  equal(await witness.leader(), 'first', 'who has it');
  await members('kill-leader');
  await members('start');
  await until('the second stands', async () => (await again('a read', () => connect().getAll().prefix('election/office/').keys())).length === 2);
  want(!elected, 'two have it');
  await again('a proclamation', () => first.proclaim('first again'));
  await until('it is seen', () => seen.at(-1) === 'first again');
  await again('a resignation', () => first.resign());
  await waiting;
  await until('it is seen', () => seen.at(-1) === 'second');
  await observer.cancel();
  await second.resign();
}

async function servers() {
  equal((await connect().cluster.memberList({})).members.length, addresses.length, 'members');
  const leaders = new Set();
  for (const address of addresses) {
    const client = connect({ at: [address] });
    const status = await client.maintenance.status();
    want(status.version && Number(status.dbSize) > 0 && Number(status.leader) !== 0, status);
    leaders.add(status.leader);
    await client.maintenance.defragment();
  }
  equal(leaders.size, 1, 'leaders');
}

export default {
  'keys: put, get, prefix, order, delete': keys,
  'transactions: conditions, both ways, STM': transactions,
  'watch: through a kill of the leader': watch,
  'leases: kept alive, over, revoked': leases,
  'lock: one at a time': lock,
  'election: through a kill of the leader': election,
  'servers: members, status, defragmentation': servers,
};
