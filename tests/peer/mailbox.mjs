// The engine's bounded backlog of commands: one reader, first in first out.

export class Mailbox {
  /** `bound`: commands that may wait; `perTurn`: how many run in one turn of the event loop. */
  constructor({ bound, perTurn }) {
    Object.assign(this, { bound, perTurn, waiting: [], scheduled: false });
  }

  /** Run `command` in its turn and settle with its result; null when the backlog is full. */
  submit(command) {
    if (this.waiting.length >= this.bound) return null;
    const result = new Promise((resolve, reject) => {
      this.waiting.push(() => {
        try {
          resolve(command());
        } catch (error) {
          reject(error);
        }
      });
    });
    this.#schedule();
    return result;
  }

  #schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      for (const run of this.waiting.splice(0, this.perTurn)) run();
      if (this.waiting.length) this.#schedule();
    });
  }
}
