package commands

import (
	"strconv"
	"strings"

	"vitae/ledger"
)

// FileRef is one file that a command names.
type FileRef struct {
	Pointer string // into the request body
	Hash    ledger.Hash
}

// WithFiles is a command whose values may name files. The caller checks that the
// profile has each of them before the command is submitted, and answers with
// ledger.CodeUnknownFile at the pointer of one that is missing.
type WithFiles interface {
	ledger.Command
	Files() []FileRef
}

// WithCreated is a command that makes a resume or an item.
type WithCreated interface {
	ledger.Command
	// Created is the id it will have; "" when it is drawn at the decision, and then the
	// decided event says it.
	Created() string
}

// fieldMember sees a field as a member of the body.
func fieldMember(f ledger.Field) ledger.Member {
	return ledger.Member{Name: f.Name, Kind: f.Kind, Members: f.Item}
}

// appendFiles appends every file that a checked value names, in the order of the body.
func appendFiles(refs []FileRef, m ledger.Member, n ledger.Node, pointer string) []FileRef {
	switch {
	case n.Kind == ledger.NodeArray:
		for i, e := range n.Elems {
			refs = appendFiles(refs, m, e, pointer+"/"+strconv.Itoa(i))
		}
	case n.Kind == ledger.NodeObject && m.Kind == ledger.KindMap:
		for _, e := range n.Members {
			refs = appendFiles(refs, ledger.Member{Kind: ledger.KindObject, Members: m.Members}, e.Node, ledger.PointerTo(pointer, e.Name))
		}
	case n.Kind == ledger.NodeObject:
		for _, e := range n.Members {
			for _, inner := range m.Members {
				if inner.Name == e.Name {
					refs = appendFiles(refs, inner, e.Node, ledger.PointerTo(pointer, e.Name))
					break
				}
			}
		}
	case n.Kind == ledger.NodeString && m.Kind == ledger.KindFile:
		if h, err := ledger.ParseHash(strings.TrimPrefix(n.Text, "sha256:")); err == nil {
			refs = append(refs, FileRef{Pointer: pointer, Hash: h})
		}
	}
	return refs
}
