// What a user of npm's etcd3 does, step by step, each with its results checked. The first step that does not end as it must is named,
// and ends the program.
//
// usage: main.js plain|secure   as ../members.sh calls it
import plain from './plain.js';
import secure from './secure.js';
import { close } from './trial.js';

// Longest time of one step, in milliseconds.
const STEP_TIME = 150_000;

function fail(name, error) {
  console.error(error);
  console.error(`FAILED: ${name}`);
  process.exit(1);
}

for (const [name, step] of Object.entries({ plain, secure }[process.argv[2]])) {
  const begun = performance.now();
  const late = setTimeout(() => fail(name, `it takes more than ${STEP_TIME} ms`), STEP_TIME);
  try {
    await step();
  } catch (error) {
    fail(name, error);
  }
  clearTimeout(late);
  close();
  console.log(`  ok  ${name.padEnd(42)} ${((performance.now() - begun) / 1000).toFixed(2).padStart(6)} s`);
}
process.exit(0);
