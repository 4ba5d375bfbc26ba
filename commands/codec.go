package commands

import (
	"bytes"
	"encoding/json"
	"fmt"

	"vitae/ledger"
)

// The kinds of command on the wire between instances.
const (
	kindCreate       = "create"
	kindErase        = "erase"
	kindEmpty        = "empty"
	kindPatch        = "patch"
	kindPatchResume  = "patch_resume"
	kindCreateResume = "create_resume"
	kindDeleteResume = "delete_resume"
	kindAddItem      = "add_item"
	kindPatchItem    = "patch_item"
	kindRemoveItem   = "remove_item"
	kindBind         = "bind"
	kindUnbind       = "unbind"
	kindDecide       = "decide"
	kindRestore      = "restore"
	kindAll          = "all"
)

// wire is the one form of every command. Body is the request's body as it was parsed.
type wire struct {
	Kind     string            `json:"kind"`
	Profile  *ledger.ProfileID `json:"profile,omitempty"`
	View     string            `json:"view,omitempty"`
	Field    string            `json:"field,omitempty"`
	Item     string            `json:"item,omitempty"`
	Provider string            `json:"provider,omitempty"`
	Rotate   bool              `json:"rotate,omitempty"`
	Action   string            `json:"action,omitempty"`
	Body     json.RawMessage   `json:"body,omitempty"`
	Parts    []wire            `json:"parts,omitempty"`
}

// encodable is every command of this package but all.
type encodable interface {
	ledger.Command
	wire() wire
}

// Encode writes a command as JSON, for the instance that commits. It holds personal
// values in clear: it is for a protected connection and never for a store. It fails for
// a command that is not of this package.
func Encode(c ledger.Command) ([]byte, error) {
	w, err := toWire(c)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the body stays as it was typed
	if err := enc.Encode(w); err != nil {
		return nil, fmt.Errorf("encode a command of kind %s: %w", w.Kind, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func toWire(c ledger.Command) (wire, error) {
	switch c := c.(type) {
	case *all:
		w := wire{Kind: kindAll}
		for _, part := range c.parts {
			p, err := toWire(part)
			if err != nil {
				return wire{}, err
			}
			w.Parts = append(w.Parts, p)
		}
		return w, nil
	case encodable:
		return c.wire(), nil
	}
	return wire{}, fmt.Errorf("a command of type %T cannot be forwarded", c)
}

// Decode reads what Encode wrote and checks it like a new request: the command decides
// the same as the one that was encoded. It fails with the constructor's error when this
// instance's catalogue refuses what the other one took, and with another error when the
// bytes are no command.
func Decode(b []byte) (ledger.Command, error) {
	var w wire
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return nil, fmt.Errorf("decode a command: %w", err)
	}
	if dec.InputOffset() != int64(len(b)) {
		return nil, fmt.Errorf("decode a command of kind %q: bytes after the end", w.Kind)
	}
	return fromWire(w)
}

func fromWire(w wire) (ledger.Command, error) {
	switch w.Kind {
	case kindCreate:
		if w.Profile == nil {
			return nil, fmt.Errorf("decode a command of kind %q: no profile", w.Kind)
		}
		return Create(*w.Profile, w.Body)
	case kindEmpty:
		return Empty(), nil
	case kindErase:
		return Erase(), nil
	case kindPatch:
		return Patch(w.View, w.Body)
	case kindPatchResume:
		return PatchResume(w.View, w.Body)
	case kindCreateResume:
		return CreateResume(w.View, w.Body)
	case kindDeleteResume:
		return DeleteResume(w.View)
	case kindAddItem:
		return AddItem(w.View, w.Field, w.Item, w.Body)
	case kindPatchItem:
		return PatchItem(w.View, w.Field, w.Item, w.Body)
	case kindRemoveItem:
		return RemoveItem(w.View, w.Field, w.Item)
	case kindBind:
		c, err := Bind(w.Provider, w.Body)
		if err != nil {
			return nil, err
		}
		c.Rotate = w.Rotate
		return c, nil
	case kindUnbind:
		return Unbind(w.Provider)
	case kindDecide:
		return Decide(w.Provider, w.Item, w.Action)
	case kindRestore:
		c, err := Restore(w.Body, w.View, w.Field, w.Item)
		if err != nil {
			return nil, err
		}
		return c, nil
	case kindAll:
		var parts []ledger.Command
		for _, p := range w.Parts {
			c, err := fromWire(p)
			if err != nil {
				return nil, err
			}
			parts = append(parts, c)
		}
		return All(parts...), nil
	}
	return nil, fmt.Errorf("decode a command: unknown kind %q", w.Kind)
}
