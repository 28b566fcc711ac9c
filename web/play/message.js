// Binary messages of the server: u32 (little endian) length of the header, header as JSON,
// frames one after the other, then sound as int16.

const LONGEST_HEADER = 1 << 20;

// {header, frames: [Uint8Array], pcm: Int16Array}; Error where the parts do not add up.
export function parseMessage(buffer) {
  if (buffer.byteLength < 4) throw new Error("message: too short");
  const length = new DataView(buffer).getUint32(0, true);
  if (length > LONGEST_HEADER || 4 + length > buffer.byteLength) {
    throw new Error("message: a header that does not fit");
  }
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const frames = (header.frames?.sizes ?? []).map((size) => {
    const frame = new Uint8Array(buffer, at, size);
    at += size;
    return frame;
  });
  const bytes = header.audio?.bytes ?? 0;
  if (at + bytes !== buffer.byteLength) throw new Error("message: lengths do not add up");
  // Sliced, since an Int16Array needs an even offset.
  const pcm = new Int16Array(bytes ? buffer.slice(at, at + bytes) : 0);
  return { header, frames, pcm };
}
