package proof

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
)

// Statement is what the log says about one commit.
type Statement struct {
	Seq     ledger.Seq
	Commit  ledger.CommitID
	Profile ledger.ProfileID
	Time    time.Time   // when it was decided: UTC, whole milliseconds
	Prev    ledger.Hash // of the profile's previous commit as stored; zero in its first
	Hash    ledger.Hash // of the commit as stored
}

// statementTime is RFC 3339 in UTC with milliseconds, as commits have it.
const statementTime = "2006-01-02T15:04:05.000Z"

// maxExact is the largest number that canonical JSON can hold exactly.
const maxExact = 1<<53 - 1

// StatementOf is the statement about a commit at its place in the ledger.
func StatementOf(r *ledger.Record) Statement {
	return Statement{Seq: r.Seq, Commit: r.Commit.ID, Profile: r.Commit.Profile, Time: r.Commit.Time, Prev: r.Commit.Prev, Hash: r.Hash}
}

// Encode is the statement as canonical JSON (RFC 8785): the log's entry.
func (s Statement) Encode() []byte { return s.append(make([]byte, 0, 320)) }

func (s Statement) append(b []byte) []byte {
	b = append(b, `{"commit":"`...)
	b = append(b, s.Commit.String()...)
	b = append(b, `","hash":"`...)
	b = hex.AppendEncode(b, s.Hash[:])
	b = append(b, `","prev":"`...)
	b = hex.AppendEncode(b, s.Prev[:])
	b = append(b, `","profile":"`...)
	b = append(b, s.Profile.String()...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(s.Seq), 10)
	b = append(b, `,"time":"`...)
	b = s.Time.UTC().AppendFormat(b, statementTime)
	return append(b, `"}`...)
}

// ParseStatement reads an entry. Only the one form that Encode writes is one; anything
// else is ledger.ErrFormat.
func ParseStatement(entry []byte) (Statement, error) {
	var in struct {
		Commit  ledger.CommitID  `json:"commit"`
		Hash    ledger.Hash      `json:"hash"`
		Prev    ledger.Hash      `json:"prev"`
		Profile ledger.ProfileID `json:"profile"`
		Seq     uint64           `json:"seq"`
		Time    string           `json:"time"`
	}
	if err := json.Unmarshal(entry, &in); err != nil {
		return Statement{}, fmt.Errorf("log entry: %w: %w", ledger.ErrFormat, err)
	}
	at, err := time.Parse(statementTime, in.Time)
	if err != nil {
		return Statement{}, fmt.Errorf("log entry: %w: its time is not like %s", ledger.ErrFormat, statementTime)
	}
	s := Statement{Seq: ledger.Seq(in.Seq), Commit: in.Commit, Profile: in.Profile, Time: at, Prev: in.Prev, Hash: in.Hash}
	switch {
	case in.Seq == 0 || in.Seq > maxExact:
		return Statement{}, fmt.Errorf("log entry: %w: sequence %d", ledger.ErrFormat, in.Seq)
	case !bytes.Equal(s.Encode(), entry):
		return Statement{}, fmt.Errorf("log entry: %w: it is not canonical", ledger.ErrFormat)
	}
	return s, nil
}

// LeafHash is the hash of an entry as a leaf of the tree (RFC 6962).
func LeafHash(entry []byte) ledger.Hash { return ledger.Hash(tlog.RecordHash(entry)) }
