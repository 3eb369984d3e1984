//! Vectors as numpy writes them.

/// A `.npy` file of rows of f32, all of one length.
pub(crate) fn npy(rows: &[Vec<f32>]) -> Vec<u8> {
    let shape = (rows.len(), rows[0].len());
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
    npy
}
