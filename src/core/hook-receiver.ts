/** Takes webhooks from whichever listener they came in by. The classes are those of the server that has them. */
export interface HookReceiver<Request = unknown, Response = unknown> {
  receive(request: Request, response: Response, path: string): void;
}
