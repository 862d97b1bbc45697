// What the steps share: clients of the members, what must hold, and what is tried again.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Etcd3, isRecoverableError } from 'etcd3';
import { ConstantBackoff, isBrokenCircuitError } from 'cockatiel';

// Longest time that something may take to come about, in milliseconds.
const PATIENCE = 60_000;

export const addresses = process.env.MEMBERS_ADDRESSES.split(' ');

export function want(holds, ...what) {
  if (!holds) {
    throw new Error(what.map(word => (typeof word === 'string' ? word : JSON.stringify(word))).join(' '));
  }
}

export function equal(found, wanted, what) {
  want(JSON.stringify(found) === JSON.stringify(wanted), `${what}:`, found, 'and not', wanted);
}

export function members(what) {
  return promisify(execFile)(process.env.MEMBERS, [what]);
}

const clients = [];

// A client of these members, by default of all; with the certificate of that name, logged in as that user.
export function connect({ at = addresses, name, user } = {}) {
  const file = ending => readFileSync(`${process.env.MEMBERS_DIR}/${ending}`);
  const client = new Etcd3({
    hosts: at.map(address => `${name ? 'https' : 'http'}://${address}`),
    ...(name && {
      credentials: { rootCertificate: file('ca.pem'), privateKey: file(`${name}.key`), certChain: file(`${name}.pem`) },
    }),
    ...(user && { auth: { username: user, password: `${user}-secret` } }),
    defaultCallOptions: call => (call.isStream ? {} : { deadline: Date.now() + 5000 }),
    // By default it waits for up to half a minute before it watches again.
    faultHandling: { watchBackoff: new ConstantBackoff(200) },
  });
  clients.push(client);
  return client;
}

// Closes the clients of a step.
export function close() {
  for (const client of clients.splice(0)) {
    client.close();
  }
}

// Waits until something is so, and answers what it is.
export async function until(what, holds) {
  for (const deadline = performance.now() + PATIENCE; ; await sleep(20)) {
    const value = await holds();
    if (value) {
      return value;
    }
    want(performance.now() < deadline, 'never so:', what);
  }
}

// Runs something until the client meets none of the errors that it says to try again after; the members are being killed.
export async function again(what, run) {
  for (const deadline = performance.now() + PATIENCE; ; await sleep(50)) {
    try {
      return await run();
    } catch (error) {
      want(isRecoverableError(error) || isBrokenCircuitError(error), what, 'ends with', String(error));
      want(performance.now() < deadline, what, 'never succeeds:', String(error));
    }
  }
}

// The error that must come, by its class or by what it says.
export async function refused(wanted, run) {
  try {
    await run();
  } catch (error) {
    const same = typeof wanted === 'string' ? error.message.includes(wanted) : error instanceof wanted;
    want(same, 'refused with', error.constructor.name, error.message);
    return;
  }
  want(false, 'not refused:', String(wanted));
}
