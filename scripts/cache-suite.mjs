// Runs http-cache-tests directly against its own origin and through the balancer, and prints the tests that end
// differently. The suite judges caches; the balancer is none, so whatever differs is its doing as a proxy.
//
// usage: node scripts/cache-suite.mjs SUITE BALANCER EXPLANATIONS
// Exit status 0 when EXPLANATIONS names every test that differs, 1 otherwise.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

// Beyond it something hangs; the suite itself takes half a minute.
const PATIENCE = 300_000

const [suite, balancer, explanations] = process.argv.slice(2).map(argument => resolve(argument))
const children = []
process.on('exit', () => children.forEach(child => child.kill()))
setTimeout(() => fail(`it has not ended after ${PATIENCE / 1000} s`), PATIENCE).unref()

function fail (why) {
  console.error(`cache: ${why}`)
  process.exit(1)
}

// The suite reads what npm would set; an empty id means all of its tests.
function npmEnvironment (more) {
  return { ...process.env, npm_config_protocol: 'http', npm_config_id: '', npm_package_config_id: '', ...more }
}

function start (command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  child.on('error', error => fail(`${command}: ${error.message}`))
  return child
}

// The first match of `pattern` in what `child` says.
function heard (child, pattern) {
  return new Promise(resolve => {
    let said = ''
    const hear = piece => {
      said += piece
      const found = said.match(pattern)
      if (found) resolve(found)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('exit', () => fail(`ended too early, saying\n${said}`))
  })
}

async function untilReady (admin) {
  for (;;) {
    const answer = await fetch(`http://${admin}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

// What each test came to: `true`, or the kind of its failure and a sentence about it.
async function results (base) {
  const child = start('node', ['--no-warnings', 'cli.mjs'], { cwd: suite, env: npmEnvironment({ npm_config_base: base }) })
  let text = ''
  child.stdout.on('data', piece => { text += piece })
  await new Promise(resolve => child.on('close', resolve))
  try {
    return JSON.parse(text)
  } catch {
    return fail(`no results from ${base}:\n${text}`)
  }
}

// The kind alone decides: sentences carry addresses and random names.
const kind = result => Array.isArray(result) ? result[0] : String(result)
const shown = result => Array.isArray(result) ? result.join(': ').replaceAll(/\/test\/[0-9a-f-]+/g, '/test/…') : String(result)

const environment = npmEnvironment({ npm_config_port: '0', npm_config_pidfile: '/dev/null' })
const origin = start('node', ['server/server.mjs'], { cwd: suite, env: environment })
const [, port] = await heard(origin, /Listening on http:\/\/.*:(\d+)\//)
const front = start(balancer, [], {
  env: {
    BALANCER_UPSTREAM: `127.0.0.1:${port}`,
    BALANCER_BIND: '127.0.0.1:0',
    BALANCER_ADMIN_BIND: '127.0.0.1:0'
  }
})
const [, traffic, admin] = await heard(front, /listening traffic=(\S+) admin=(\S+)/)
await untilReady(admin)

const direct = await results(`http://127.0.0.1:${port}`)
const through = await results(`http://${traffic}`)

// A suite that could not ask anything finds no difference either.
const right = Object.values(direct).filter(result => result === true).length
if (Object.keys(direct).length < 300 || right < 100) {
  console.error(`only ${Object.keys(direct).length} results directly, ${right} of them right: the suite itself does not work`)
  process.exit(1)
}

const known = readFileSync(explanations, 'utf8')
const differing = Object.keys(direct).filter(test => kind(direct[test]) !== kind(through[test])).sort()
const unexplained = differing.filter(test => !known.includes(`\`${test}\``))
for (const test of differing) {
  console.log(`${test}${unexplained.includes(test) ? ' (not explained)' : ''}`)
  console.log(`  directly  ${shown(direct[test])}`)
  console.log(`  through   ${shown(through[test])}`)
}
console.log(`\n${differing.length} of ${Object.keys(direct).length} tests end differently through the balancer, ${unexplained.length} of them unexplained`)
process.exit(unexplained.length > 0 || differing.length > 11 ? 1 : 0)
