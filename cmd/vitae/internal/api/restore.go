package api

import (
	"context"
	"encoding/json"
	"net/http"

	"vitae/commands"
	"vitae/ledger"
)

// restoreBody is what is to be as it was, and when.
type restoreBody struct {
	to                string // a sequence or a time
	view, field, item string
}

// readRestore reads {"to": SEQ or TIME, "view"?, "field"?, "item"?}.
func readRestore(body []byte) (in restoreBody, err error) {
	n, err := ledger.ParseJSON(body)
	if err != nil {
		return in, err
	}
	if n.Kind != ledger.NodeObject {
		return in, ledger.Refuse("", ledger.CodeWrongType, "the body must be an object, not "+n.Kind.String())
	}
	var wrong []ledger.FieldError
	refuse := func(name, code, message string) {
		wrong = append(wrong, ledger.FieldError{Pointer: ledger.PointerTo("", name), Code: code, Message: message})
	}
	texts := map[string]*string{"view": &in.view, "field": &in.field, "item": &in.item}
	for _, m := range n.Members {
		to, ok := texts[m.Name]
		switch {
		case m.Name == "to" && (m.Node.Kind == ledger.NodeNumber || m.Node.Kind == ledger.NodeString):
			in.to = m.Node.Text
		case m.Name == "to":
			refuse("to", ledger.CodeWrongType, "must be a sequence, or a time as text")
		case !ok:
			refuse(m.Name, ledger.CodeUnknownField, "there is no such member here")
		case m.Node.Kind != ledger.NodeString:
			refuse(m.Name, ledger.CodeWrongType, "must be a text; leave it out for everything")
		case m.Node.Text == "":
			refuse(m.Name, ledger.CodeEmpty, "must not be empty; leave it out for everything")
		default:
			*to = m.Node.Text
		}
	}
	if _, has := n.Member("to"); !has {
		refuse("to", ledger.CodeRequired, "is required: the sequence, or the time, to go back to")
	}
	if wrong != nil {
		return in, &ledger.Refusal{Fields: wrong}
	}
	return in, nil
}

// postRestore makes a profile, or a part of it, what it was: by ordinary edits, of what
// differs now.
func (s *Server) postRestore(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	in, err := readRestore(b)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	if _, err := s.present(ctx, x); err != nil {
		return err
	}
	m, err := s.seqAt(ctx, "to", in.to)
	if err != nil {
		return err
	}
	then, err := s.stateAt(ctx, x.profile, m.seq)
	if err != nil {
		return err
	}
	cmd, err := commands.Restore(commands.Moment(then), in.view, in.field, in.item)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	return s.submit(w, r, x.profile, b, cmd, func(b []byte, reply ledger.Reply) ([]byte, int) {
		b, status := edited(b, reply)
		b = b[:len(b)-1]
		// What was kept follows from the state after the commit, so a reply that is asked
		// for again says the same.
		if p, err := s.after(ctx, x.profile, reply.Seq); err != nil {
			s.Log.Warn("what a restoration kept is not known", "request", x.id, "error", err)
		} else {
			b = appendMember(b, "kept", append([]commands.Kept{}, cmd.Kept(p)...))
		}
		if dryRun {
			changes := []restoredEdit{}
			for _, e := range reply.Events {
				changes = append(changes, restoredEdit{e.View, orNull(e.Field), orNull(e.Item), e.Op})
			}
			b = appendMember(b, "changes", changes)
		}
		return append(b, '}'), status
	})
}

// restoredEdit is one edit that a restoration would make.
type restoredEdit struct {
	View  string    `json:"view"`
	Field *string   `json:"field"`
	Item  *string   `json:"item"`
	Op    ledger.Op `json:"op"`
}

// after is a profile after a commit that was just made, opened.
func (s *Server) after(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Profile, error) {
	if err := s.History.Wait(ctx, seq); err != nil {
		return nil, err
	}
	return s.stateAt(ctx, id, seq)
}

// appendMember appends a member to an object that has one already. A value of texts always
// has a JSON form.
func appendMember(b []byte, name string, value any) []byte {
	text, _ := json.Marshal(value)
	return append(append(append(append(b, `,"`...), name...), `":`...), text...)
}
