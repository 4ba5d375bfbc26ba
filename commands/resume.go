package commands

import (
	"fmt"

	"vitae/ledger"
)

// resumeID says whether an id can name a resume; the error is ledger.ErrNotFound, for
// no resume has such a name.
func resumeID(id string) error {
	if id == ledger.Base {
		return nil
	}
	if _, err := ledger.ParseProfileID(id); err != nil { // every id is a ULID of the same form
		return fmt.Errorf("%w: a resume is named by base or by a ULID", ledger.ErrNotFound)
	}
	return nil
}

// createResume copies base under a new id.
type createResume struct {
	id   string
	body []byte
	own  edits
}

// CreateResume makes the command that copies the base resume to the new id, a ULID. The
// body names it, {"name":"..."}, and may hold collections, which then stand in place of
// the copied ones. An id that is in use is ledger.ErrExists.
func CreateResume(id string, body []byte) (ledger.Command, error) {
	if _, err := ledger.ParseProfileID(id); err != nil {
		return nil, fmt.Errorf("a new resume's id: %w", err)
	}
	own, err := parsePatch(newResumeBody, body)
	if err != nil {
		return nil, err
	}
	return &createResume{id: id, body: body, own: own}, nil
}

func (c *createResume) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if p.Resumes[c.id] != nil {
		return nil, fmt.Errorf("resume %s: %w", c.id, ledger.ErrExists)
	}
	d.add(ledger.Event{View: c.id, Item: ledger.Base, Op: ledger.OpCopied})
	c.own.decide(d, c.id, ledger.Base)
	return d.end()
}

// Created implements WithCreated.
func (c *createResume) Created() string { return c.id }

// Files implements WithFiles.
func (c *createResume) Files() []FileRef { return c.own.files }

func (c *createResume) wire() wire { return wire{Kind: kindCreateResume, View: c.id, Body: c.body} }

type deleteResume struct{ id string }

// DeleteResume makes the command that takes a resume away. The base resume, and one
// that a connection's settings send to a provider, stay: ledger.ErrNotAllowed.
func DeleteResume(id string) (ledger.Command, error) {
	if err := resumeID(id); err != nil {
		return nil, err
	}
	return &deleteResume{id: id}, nil
}

func (c *deleteResume) Decide(p *ledger.Profile, env ledger.Env) ([]ledger.Event, error) {
	d, err := begin(p, env)
	if err != nil {
		return nil, err
	}
	if c.id == ledger.Base {
		return nil, fmt.Errorf("%w: the base resume cannot be deleted", ledger.ErrNotAllowed)
	}
	if err := d.hasView(c.id); err != nil {
		return nil, err
	}
	if provider := sentBy(p, c.id); provider != "" {
		return nil, fmt.Errorf("%w: the connection to %s sends this resume; let it send another one first", ledger.ErrNotAllowed, provider)
	}
	d.add(ledger.Event{View: c.id, Op: ledger.OpDeleted})
	return d.end()
}

func (c *deleteResume) wire() wire { return wire{Kind: kindDeleteResume, View: c.id} }
