package projections

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
)

// The form in which projections store a profile's state. It is for files that can be made
// anew, so there is one version and no readers for older ones: a change of it is a change
// of the models' versions.
//
//	state   = version:1 shared | version:1 resume
//	shared  = cells lists cells                      scalars, shared collections, connections
//	resume  = from:text seqs cells lists             name, collections
//	cells   = n (name:text cell)*                    by name
//	lists   = n (name:text n (id:text cell)*)*       by name; items in their order
//	cell    = seq commit:16 index sealed:bytes commitment:32 (only when sealed)
//
// Numbers are uvarints, texts and bytes have their length before them; the length of
// sealed is counted from 1, 0 means none. Sealed values stay as they are in the ledger.
const stateVersion = 1

// ErrState is what every error about stored state wraps: the bytes are not in the form
// this version writes. The file is damaged; rebuild it.
var ErrState = errors.New("stored state is damaged")

// AppendShared appends the stored form of what all resumes share: scalars, shared
// collections, connections. Equal states have equal bytes.
func AppendShared(b []byte, p *ledger.Profile) []byte {
	b = append(b, stateVersion)
	b = appendCells(b, p.Shared)
	b = appendLists(b, p.Lists)
	return appendCells(b, p.Connections)
}

// AppendResume appends the stored form of a resume, without its id.
func AppendResume(b []byte, r *ledger.Resume) []byte {
	b = append(b, stateVersion)
	b = appendText(b, r.From)
	b = binary.AppendUvarint(b, uint64(r.CreatedSeq))
	b = appendTime(b, r.CreatedAt)
	b = binary.AppendUvarint(b, uint64(r.UpdatedSeq))
	b = appendTime(b, r.UpdatedAt)
	b = appendCells(b, r.Fields)
	return appendLists(b, r.Collections)
}

// ReadShared fills p from what AppendShared wrote. p keeps parts of b.
func ReadShared(b []byte, p *ledger.Profile) error {
	d := decoder{b: b}
	d.version()
	p.Shared = d.cells()
	p.Lists = d.lists()
	p.Connections = d.cells()
	return d.end()
}

// ReadResume gives the resume that AppendResume wrote. It keeps parts of b.
func ReadResume(b []byte, id string) (*ledger.Resume, error) {
	d := decoder{b: b}
	d.version()
	r := &ledger.Resume{ID: id, From: d.text()}
	r.CreatedSeq, r.CreatedAt = ledger.Seq(d.uint()), d.time()
	r.UpdatedSeq, r.UpdatedAt = ledger.Seq(d.uint()), d.time()
	r.Fields = d.cells()
	r.Collections = d.lists()
	return r, d.end()
}

// AppendProfile appends the whole state in one piece, except its id.
func AppendProfile(b []byte, p *ledger.Profile) []byte {
	b = append(b, stateVersion)
	b = binary.AppendUvarint(b, uint64(p.Seq))
	b = append(b, p.Head[:]...)
	b = appendTime(b, p.CreatedAt)
	b = appendTime(b, p.UpdatedAt)
	if p.Erased {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	part := AppendShared(nil, p)
	b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	ids := slices.Sorted(maps.Keys(p.Resumes))
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = appendText(b, id)
		part = AppendResume(part[:0], p.Resumes[id])
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b
}

// ReadProfile gives the state that AppendProfile wrote. It keeps parts of b.
func ReadProfile(b []byte, id ledger.ProfileID) (*ledger.Profile, error) {
	d := decoder{b: b}
	d.version()
	p := ledger.NewProfile(id)
	p.Seq = ledger.Seq(d.uint())
	copy(p.Head[:], d.take(len(p.Head)))
	p.CreatedAt, p.UpdatedAt = d.time(), d.time()
	if erased := d.take(1); erased != nil {
		p.Erased = erased[0] == 1
	}
	shared := d.bytes()
	if d.err == nil {
		if err := ReadShared(shared, p); err != nil {
			return nil, err
		}
	}
	for n := d.count(); n > 0 && d.err == nil; n-- {
		view := d.text()
		part := d.bytes()
		if d.err != nil {
			break
		}
		r, err := ReadResume(part, view)
		if err != nil {
			return nil, err
		}
		p.Resumes[view] = r
	}
	return p, d.end()
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime stores milliseconds: commit times have no more.
func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendVarint(b, t.UnixMilli())
}

func appendCell(b []byte, c ledger.Cell) []byte {
	b = binary.AppendUvarint(b, uint64(c.Seq))
	b = append(b, c.Commit[:]...)
	b = binary.AppendUvarint(b, uint64(c.Index))
	if c.Sealed == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Sealed))+1)
	b = append(b, c.Sealed...)
	return append(b, c.Commitment[:]...)
}

func appendCells(b []byte, cells map[string]ledger.Cell) []byte {
	b = binary.AppendUvarint(b, uint64(len(cells)))
	var few [64]string
	for _, name := range sorted(few[:0], cells) {
		b = appendCell(appendText(b, name), cells[name])
	}
	return b
}

func appendLists(b []byte, lists map[string]*ledger.Collection) []byte {
	b = binary.AppendUvarint(b, uint64(len(lists)))
	var few [32]string
	for _, name := range sorted(few[:0], lists) {
		l := lists[name]
		b = binary.AppendUvarint(appendText(b, name), uint64(len(l.Order)))
		for _, id := range l.Order {
			b = appendCell(appendText(b, id), l.Items[id])
		}
	}
	return b
}

func sorted[V any](keys []string, m map[string]V) []string {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// decoder reads the form; the first error sticks. Texts and bytes are parts of b.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrState, why)
	}
}

func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("bytes left over")
	}
	return d.err
}

func (d *decoder) version() {
	if v := d.take(1); v != nil && v[0] != stateVersion {
		d.fail(fmt.Sprintf("version %d", v[0]))
	}
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		d.fail("it ends too early")
		return nil
	}
	part := d.b[:n:n]
	d.b = d.b[n:]
	return part
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.err != nil || n <= 0 {
		d.fail("not a number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count is a number of things to come, each at least one byte.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("it ends too early")
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte { return d.take(d.count()) }

// text copies: names outlive the row they came in, in maps that are kept long.
func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) time() time.Time {
	v, n := binary.Varint(d.b)
	if d.err != nil || n <= 0 {
		d.fail("not a time")
		return time.Time{}
	}
	d.b = d.b[n:]
	return time.UnixMilli(v).UTC()
}

func (d *decoder) cell() (c ledger.Cell) {
	c.Seq = ledger.Seq(d.uint())
	copy(c.Commit[:], d.take(len(c.Commit)))
	c.Index = int(d.uint())
	if n := d.count(); n > 0 {
		c.Sealed = d.take(n - 1)
		copy(c.Commitment[:], d.take(len(c.Commitment)))
	}
	return c
}

func (d *decoder) cells() map[string]ledger.Cell {
	n := d.count()
	cells := make(map[string]ledger.Cell, n)
	for ; n > 0 && d.err == nil; n-- {
		name := d.text()
		cells[name] = d.cell()
	}
	return cells
}

func (d *decoder) lists() map[string]*ledger.Collection {
	n := d.count()
	lists := make(map[string]*ledger.Collection, n)
	for ; n > 0 && d.err == nil; n-- {
		name := d.text()
		items := d.count()
		l := &ledger.Collection{Order: make([]string, 0, items), Items: make(map[string]ledger.Cell, items)}
		for ; items > 0 && d.err == nil; items-- {
			id := d.text()
			l.Order = append(l.Order, id)
			l.Items[id] = d.cell()
		}
		lists[name] = l
	}
	return lists
}

// Own gives a copy of a commit whose texts do not share the memory of the block it came
// in, for state that is kept long. Sealed values are shared: they have their own memory.
func Own(c *ledger.Commit) *ledger.Commit {
	own := *c
	own.Events = slices.Clone(c.Events)
	for i := range own.Events {
		e := &own.Events[i]
		switch e.View {
		case ledger.Shared:
			e.View = ledger.Shared
		case ledger.Base:
			e.View = ledger.Base
		default:
			e.View = strings.Clone(e.View)
		}
		e.Field, e.Item = strings.Clone(e.Field), strings.Clone(e.Item)
		if e.Order != nil {
			e.Order = slices.Clone(e.Order)
			for j := range e.Order {
				e.Order[j] = strings.Clone(e.Order[j])
			}
		}
	}
	return &own
}
