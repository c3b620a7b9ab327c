// The Streaming API: Bayeux by long polling, change events with replay ids that are kept for 72 hours of the org's clock.
const KEPT = 72 * 3600 * 1000;

export class Events {
  /** Objects of which changes are told. */
  objects = new Set(['Account']);
  /** Everything that was told, by channel. */
  channels = new Map();
  sessions = new Map();
  replay = 1000;
  count = 0;
  /** Events an answer, at most. */
  batch = 200;
  isDenied = false;

  constructor(org) {
    this.org = org;
    org.watchers.push((kind, record, fields) => {
      if (record.Id.startsWith('001') && this.objects.has('Account')) this.tell('Account', kind, [record.Id], fields, record);
    });
  }

  tell(object, changeType, recordIds, changedFields = [], record = null) {
    const header = {
      entityName: object, recordIds, changeType, changeOrigin: '', transactionKey: `t${this.replay}`, sequenceNumber: 1,
      commitTimestamp: this.org.now, commitNumber: this.replay, commitUser: '005Ab0000000001AAB', changedFields,
    };
    const values = Object.fromEntries(changedFields.map((name) => [name, record?.[name] ?? null]));
    this.publish(`/data/${object}ChangeEvent`, { ChangeEventHeader: header, ...values });
  }

  publish(channel, payload) {
    // Not one after the other: whoever counts on is wrong.
    this.replay += 1 + (this.replay % 3);
    const event = { replayId: this.replay, EventUuid: `uuid-${this.replay}` };
    const log = this.channels.get(channel) ?? [];
    log.push({ channel, data: { schema: 'schema', payload, event }, at: this.org.now });
    this.channels.set(channel, log);
    for (const session of this.sessions.values()) session.wake?.();
    return this.replay;
  }

  kept(channel) {
    return (this.channels.get(channel) ?? []).filter(({ at }) => at >= this.org.now - KEPT);
  }

  async answer(request, response, body) {
    const send = (messages, headers = {}) => {
      response.writeHead(200, { 'content-type': 'application/json;charset=UTF-8', ...headers });
      response.end(JSON.stringify(messages));
    };
    const answers = [];
    const headers = {};
    for (const message of JSON.parse(body)) {
      const { channel, id, clientId } = message;
      const fail = (error, advice) => answers.push({ channel, id, clientId, successful: false, error, ...(advice && { advice }) });
      const session = this.sessions.get(clientId);
      if (channel === '/meta/handshake') {
        if (this.isDenied) {
          answers.push({ channel, id, successful: false, error: '403::Handshake denied', ext: { sfdc: { failureReason: '401::Authentication invalid' } }, advice: { reconnect: 'none' } });
          continue;
        }
        const own = `client${++this.count}`;
        this.sessions.set(own, { places: new Map(), cookie: `browser${this.count}` });
        headers['set-cookie'] = `BAYEUX_BROWSER=browser${this.count}; Path=/; HttpOnly`;
        answers.push({ channel, id, clientId: own, successful: true, version: '1.0', supportedConnectionTypes: ['long-polling'], ext: { replay: true, 'payload.format': true } });
      } else if (!session) {
        fail('403::Unknown client', { reconnect: 'handshake', interval: 0 });
      } else if (!request.headers.cookie?.includes(`BAYEUX_BROWSER=${session.cookie}`)) {
        fail(`400::Client ${clientId} has established a session, but no BAYEUX_BROWSER cookie present`);
      } else if (channel === '/meta/subscribe') {
        this.subscribe(message, session, answers, fail);
      } else if (channel === '/meta/disconnect') {
        this.sessions.delete(clientId);
        answers.push({ channel, id, clientId, successful: true });
      } else if (channel === '/meta/connect') {
        await this.wait(session, message.advice?.timeout ?? 110000, request);
        if (this.isDenied) {
          fail('401::Authentication invalid', { reconnect: 'none', interval: 0 });
          continue;
        }
        answers.push(...this.take(session), { channel, id, clientId, successful: true, advice: { reconnect: 'retry', interval: 0, timeout: 110000 } });
      }
    }
    send(answers, headers);
  }

  subscribe({ id, clientId, subscription, ext }, session, answers, fail) {
    const object = /^\/data\/(\w+)ChangeEvent$/.exec(subscription)?.[1];
    if (object ? !this.objects.has(object) : !this.org.objects[subscription.replace('/event/', '')]?.isEvent) {
      return fail(`400::The channel you requested to subscribe to does not exist {${subscription}}`);
    }
    const replay = ext?.replay?.[subscription] ?? -1;
    const kept = this.kept(subscription);
    if (replay >= 0 && !kept.some(({ data }) => data.event.replayId === replay)) {
      return fail(`400::The replayId {${replay}} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.`);
    }
    session.places.set(subscription, replay === -1 ? (kept.at(-1)?.data.event.replayId ?? 0) : replay);
    answers.push({ channel: '/meta/subscribe', id, clientId, subscription, successful: true });
  }

  waiting(session) {
    return [...session.places].flatMap(([channel, place]) => this.kept(channel).filter(({ data }) => data.event.replayId > place));
  }

  async wait(session, timeout, request) {
    if (this.waiting(session).length > 0 || timeout === 0) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      session.wake = () => (clearTimeout(timer), resolve());
      request.on('close', session.wake);
    });
    session.wake = undefined;
  }

  take(session) {
    const taken = this.waiting(session).slice(0, this.batch);
    for (const { channel, data } of taken) session.places.set(channel, data.event.replayId);
    return taken.map(({ channel, data }) => ({ channel, data, clientId: undefined }));
  }
}
