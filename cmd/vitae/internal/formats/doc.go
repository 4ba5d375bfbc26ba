// Package formats writes a resume in the formats that the world reads (JSON Resume, vCard 4,
// a page for people), and reads what people bring along (JSON Resume, the archive that
// LinkedIn gives its members) into values of the catalogue.
//
// It is pure: bytes and values in, bytes and values out. Writing gives the same bytes for
// the same resume. What a format has no place for is never dropped in silence: a writer
// says which fields of this resume it did not carry, a reader which places of the file it
// did not keep and why, and Import.Body which values the catalogue refuses. None of these
// lists holds a value.
//
// Reading a file and writing it again gives the same file, up to what docs/formats.md says
// is lost.
package formats
