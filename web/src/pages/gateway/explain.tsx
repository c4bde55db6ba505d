import { Button, Group, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Outcome } from './outcome.tsx';
import { Why } from './why.tsx';

const ID = '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';

/** Somebody asks why, and has the id of the answer. */
export function Explain() {
  const [id, setId] = useState<string>();
  return (
    <Section title="Explain a request">
      <Card>
        <Row>
          <form
            className="grow"
            onSubmit={(event) => {
              event.preventDefault();
              setId(String(new FormData(event.currentTarget).get('id')));
            }}
          >
            <Group align="flex-end">
              <TextInput
                name="id"
                label="The X-Request-Id of its answer"
                required
                pattern={ID}
                title="36 characters, as in 0190b6a4-3c8e-7b1f-9a51-2f0e6a4f9c11"
                spellCheck={false}
                className="grow"
              />
              <Button type="submit" variant="default">
                Explain
              </Button>
            </Group>
          </form>
        </Row>
        {id !== undefined && <Explained id={id} />}
      </Card>
    </Section>
  );
}

function Explained({ id }: { readonly id: string }) {
  const found = useAnswer('/api/v1/gateway-explain', { query: { id } }, { still: true });
  return (
    <Row>
      <div className="grow">
        <Answered answer={found} lines={2}>
          {(request) => (
            <>
              <Outcome request={request} />
              <Why request={request} />
            </>
          )}
        </Answered>
      </div>
    </Row>
  );
}
